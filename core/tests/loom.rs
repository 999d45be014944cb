//! A model of the switch against the count of requests: every order in which two or three threads can run, and every value
//! that the memory model lets them see. What is modelled is the code that the proxy runs, read anew with loom's types.

/// What `hold` is made of here.
mod sync {
    pub(super) use loom::sync::Arc;
    pub(super) use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
}

#[path = "../src/proxy/hold.rs"]
mod hold;

use hold::{Count, Counted, Held, take};
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

/// A release, and whether nobody holds it any more.
struct Route {
    count: Arc<Count>,
    gone: Arc<AtomicBool>,
}

impl Counted for Route {
    fn count(&self) -> &Count {
        &self.count
    }
}

impl Drop for Route {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Release);
    }
}

fn route(id: u64) -> (Route, Arc<Count>, Arc<AtomicBool>) {
    let (count, gone) = (Arc::new(Count::new(id)), Arc::new(AtomicBool::new(false)));
    (Route { count: Arc::clone(&count), gone: Arc::clone(&gone) }, count, gone)
}

/// Stands for the atomic pointer: what matters is that loading it and holding what it points to is one step.
struct Active(Mutex<Option<Arc<Route>>>);

impl Active {
    fn load(&self) -> Option<Arc<Route>> {
        self.0.lock().expect("nobody panics with it").clone()
    }

    fn swap(&self, new: Option<Arc<Route>>) -> Option<Arc<Route>> {
        std::mem::replace(&mut *self.0.lock().expect("nobody panics with it"), new)
    }
}

/// One request from begin to end: what it got, which it lets go.
fn request(active: &Active, held: &Held, inside: impl FnOnce(&Route)) {
    let Some(route) = take(|| active.load(), held) else { return };
    inside(&route);
    held.let_go();
    route.count.count_end(true);
}

/// A release that was switched away from and looks drained has no request, and gets none.
#[test]
fn a_drained_release_has_no_request() {
    loom::model(|| {
        let (old, old_count, old_gone) = route(1);
        let (new, new_count, _new_gone) = route(2);
        let active = Arc::new(Active(Mutex::new(Some(Arc::new(old)))));
        let client = thread::spawn({
            let (active, old_gone) = (Arc::clone(&active), Arc::clone(&old_gone));
            move || {
                request(&active, &Held::default(), |route| {
                    let is_old = Arc::ptr_eq(&route.gone, &old_gone);
                    assert!(
                        !is_old || !old_gone.load(Ordering::Acquire),
                        "it is drained, and here is a request"
                    );
                });
            }
        });
        let drained = active.swap(Some(Arc::new(new)));
        drop(drained);
        if old_gone.load(Ordering::Acquire) {
            assert_eq!(old_count.open(), 0, "it is drained, and something is counted");
        }
        client.join().expect("the request ends");
        assert!(old_gone.load(Ordering::Acquire), "nobody holds it");
        assert_eq!((old_count.open(), new_count.open()), (0, 0));
        assert_eq!(old_count.opened() + new_count.opened(), old_count.ended() + new_count.ended());
    });
}

/// A cut finds every request that goes on on the release: whoever it does not find is on the next one.
#[test]
fn no_request_goes_on_uncut() {
    loom::model(|| {
        let (old, old_count, _) = route(1);
        let (new, _, _) = route(2);
        let active = Arc::new(Active(Mutex::new(Some(Arc::new(old)))));
        let held = Arc::new(Held::default());
        let is_told = Arc::new(AtomicBool::new(false));
        let goes_on = Arc::new(AtomicBool::new(false));
        let client = thread::spawn({
            let (active, held, goes_on) = (Arc::clone(&active), Arc::clone(&held), Arc::clone(&goes_on));
            let old_count = Arc::clone(&old_count);
            // It holds the release until somebody tells it to go, or for ever.
            move || {
                let route = take(|| active.load(), &held).expect("something is active");
                goes_on.store(Arc::ptr_eq(&route.count, &old_count), Ordering::Release);
                route
            }
        });
        drop(active.swap(Some(Arc::new(new))));
        old_count.mark_cut();
        if held.is(&old_count) {
            is_told.store(true, Ordering::Release);
        }
        let route = client.join().expect("the request is there");
        assert!(
            !goes_on.load(Ordering::Acquire) || is_told.load(Ordering::Acquire),
            "a request on the old release that nobody has cut"
        );
        drop(route);
    });
}

/// Two clients and a switch: what is in progress is counted at every moment of it.
#[test]
fn what_is_in_progress_is_counted() {
    loom::model(|| {
        let (old, count, _) = route(1);
        let active = Arc::new(Active(Mutex::new(Some(Arc::new(old)))));
        let is_inside = Arc::new(AtomicBool::new(false));
        let client = thread::spawn({
            let (active, is_inside) = (Arc::clone(&active), Arc::clone(&is_inside));
            move || {
                request(&active, &Held::default(), |_| {
                    is_inside.store(true, Ordering::SeqCst);
                    thread::yield_now();
                    is_inside.store(false, Ordering::SeqCst);
                });
            }
        });
        let was_inside = is_inside.load(Ordering::SeqCst);
        let open = count.open();
        if was_inside && is_inside.load(Ordering::SeqCst) {
            assert_eq!(open, 1, "it is in progress, and not counted");
        }
        drop(active.swap(None));
        client.join().expect("the request ends");
        let held = Held::default();
        request(&active, &held, |_| panic!("there is no release"));
        assert!(held.is_nothing());
        assert_eq!(count.open(), 0);
    });
}
