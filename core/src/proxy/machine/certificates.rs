//! Which certificate a client gets, and when files that have changed are taken over.

use std::collections::BTreeMap;

/// Which certificates are for which name (RFC 6125 §6.4, RFC 9525 §6.3). They are known by their number.
#[derive(Debug, Default)]
pub(crate) struct Names {
    exact: BTreeMap<String, Vec<usize>>,
    /// By what stands after `*.`.
    wild: BTreeMap<String, Vec<usize>>,
}

impl Names {
    /// Enters a name of a certificate, as it is written in it.
    pub(crate) fn add(&mut self, name: &str, certificate: usize) {
        let name = name.to_ascii_lowercase();
        match name.strip_prefix("*.") {
            Some(parent) => self.wild.entry(parent.to_owned()).or_default().push(certificate),
            None => self.exact.entry(name).or_default().push(certificate),
        }
    }

    /// The certificates for `name`, in their order: those that have it before those that have its parent with `*`, which
    /// stands for one label.
    pub(crate) fn find(&self, name: &str) -> impl Iterator<Item = usize> {
        let name = name.to_ascii_lowercase();
        let exact = self.exact.get(&name);
        let wild = name
            .split_once('.')
            .filter(|(label, _)| !label.is_empty())
            .and_then(|(_, parent)| self.wild.get(parent));
        exact.into_iter().chain(wild).flatten().copied()
    }
}

/// What files look like from outside, `M`, decides whether they are read again.
#[derive(Debug)]
pub(crate) struct Watch<M> {
    served: M,
    /// What could not be taken over, and whether that was told.
    failed: Option<(M, bool)>,
}

impl<M: PartialEq> Watch<M> {
    /// What is served was read from files that looked like this.
    pub(crate) fn new(served: M) -> Self {
        Self { served, failed: None }
    }

    /// Whether files that look like this are to be read.
    pub(crate) fn is_new(&mut self, found: &M) -> bool {
        if *found == self.served {
            self.failed = None;
            return false;
        }
        !self.failed.as_ref().is_some_and(|(failed, told)| *told && failed == found)
    }

    /// They were read, and are served now.
    pub(crate) fn taken(&mut self, found: M) {
        *self = Self::new(found);
    }

    /// They make no sense. Whether to say so: not at once, because of two files one is written first.
    pub(crate) fn failed(&mut self, found: M) -> bool {
        let tell = self.failed.as_ref().is_some_and(|(failed, _)| *failed == found);
        self.failed = Some((found, tell));
        tell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let mut names = Names::default();
        for (name, certificate) in
            [("shop.test", 0), ("*.shop.test", 1), ("API.shop.test", 2), ("shop.test", 3), ("*.test", 4)]
        {
            names.add(name, certificate);
        }
        names
    }

    #[test]
    fn the_exact_name_goes_before_the_wildcard_and_the_order_is_kept() {
        let names = names();
        for (name, found) in [
            ("shop.test", vec![0, 3, 4]),
            ("SHOP.Test", vec![0, 3, 4]),
            ("api.shop.test", vec![2, 1]),
            ("www.shop.test", vec![1]),
            ("a.www.shop.test", vec![]),
            ("other.test", vec![4]),
            (".shop.test", vec![]),
            ("*.shop.test", vec![1]),
            ("test", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(names.find(name).collect::<Vec<_>>(), found, "{name}");
        }
    }

    #[test]
    fn what_did_not_change_is_not_read() {
        let mut watch = Watch::new(1);
        assert!(!watch.is_new(&1));
        assert!(watch.is_new(&2));
        watch.taken(2);
        assert!(!watch.is_new(&2));
        assert!(watch.is_new(&1), "back to an old file is a change");
    }

    #[test]
    fn a_failure_is_told_once_and_only_when_it_lasts() {
        let mut watch = Watch::new(1);
        assert!(watch.is_new(&2));
        assert!(!watch.failed(2), "the other file may be on its way");
        assert!(watch.is_new(&2));
        assert!(watch.failed(2), "it is not");
        assert!(!watch.is_new(&2), "and nothing more is said");
        assert!(watch.is_new(&3));
        assert!(!watch.failed(3), "another change is another story");
        watch.taken(3);
        assert!(!watch.is_new(&3));
    }

    #[test]
    fn a_failure_that_was_taken_back_is_forgotten() {
        let mut watch = Watch::new(1);
        assert!(!watch.failed(2));
        assert!(!watch.is_new(&1));
        assert!(!watch.failed(2), "it begins anew");
    }
}
