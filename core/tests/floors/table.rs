//! The drawing of the design's section 3, as a table.

use super::Source;
use super::paths::Path;

/// A room of `core/src`: its floor, and its place among those on the same floor that may use one another.
struct Room {
    name: &'static str,
    floor: u8,
    /// Rooms with a rank may use those of a lower rank on their own floor.
    rank: Option<u8>,
}

const fn room(floor: u8, name: &'static str, rank: Option<u8>) -> Room {
    Room { name, floor, rank }
}

const ROOMS: [Room; 25] = [
    room(0, "time", Some(0)),
    room(0, "id", Some(1)),
    room(0, "exit", Some(2)),
    room(0, "report", Some(3)),
    room(0, "step", Some(4)),
    room(0, "event", Some(5)),
    room(1, "template", Some(0)),
    room(1, "restart", Some(0)),
    room(1, "spec", Some(1)),
    room(1, "config", Some(2)),
    room(1, "rollout", Some(3)),
    room(2, "clock", Some(0)),
    room(2, "threads", Some(0)),
    room(2, "descriptors", Some(0)),
    room(2, "port", Some(1)),
    room(2, "supervisor", Some(1)),
    room(2, "health", Some(1)),
    room(2, "proxy", Some(1)),
    room(3, "engine", None),
    room(3, "simulate", None),
    room(4, "control", None),
    room(4, "admin", None),
    room(4, "blocking", None),
    room(4, "embed", None),
    room(4, "internals", None),
];

/// Modules that hold documentation only; they stand on no floor and nothing may use them.
const BOOKS: [&str; 1] = ["manual"];

fn find(name: &str) -> Option<&'static Room> {
    ROOMS.iter().find(|room| room.name == name)
}

/// Whether a room's every file is pure.
pub(crate) fn is_pure_room(name: &str) -> bool {
    find(name).is_some_and(|room| room.floor <= 1 || room.name == "simulate")
}

/// What is wrong with the place of `source` itself.
pub(crate) fn misplaced(source: &Source) -> Option<String> {
    let name = source.room()?;
    (find(name).is_none() && !BOOKS.contains(&name))
        .then(|| format!("`{name}` stands on no floor: draw it in the design and in the table of floors.rs"))
}

/// What is wrong with `path` in `source`, as far as floors go.
pub(crate) fn crossing(source: &Source, path: &Path) -> Option<String> {
    let from = find(source.room()?)?;
    if path.segments.first()? != "crate" {
        return None;
    }
    let Some(target) = path.segments.get(1) else {
        return Some("`crate` alone hides what is used: name the module".to_owned());
    };
    let Some(to) = find(target) else {
        return Some(format!("`{}` goes through the crate root: name the module it lives in", path.text()));
    };
    let inner = path.segments.get(2).map(String::as_str);
    (!may_use(from, to, inner)).then(|| {
        let (name, floor) = (from.name, from.floor);
        format!("`{name}` (floor {floor}) may not use `{}` (floor {})", path.text(), to.floor)
    })
}

fn may_use(from: &Room, to: &Room, inner: Option<&str>) -> bool {
    match (from.name, to.name) {
        (from, to) if from == to => true,
        ("simulate", _) => to.floor <= 1 || (to.floor == 2 && inner == Some("machine")),
        ("control", _) => to.floor <= 1 || matches!(to.name, "engine" | "clock" | "descriptors"),
        ("admin", _) => to.floor <= 1 || to.name == "engine",
        // Each hand alone, by name; and the simulator, for hosts that test their own part.
        ("embed", _) => to.floor <= 3,
        ("blocking", _) => to.floor <= 1 || matches!(to.name, "engine" | "clock" | "threads"),
        _ if from.floor == to.floor => from.rank.zip(to.rank).is_some_and(|(from, to)| to < from),
        _ => to.floor < from.floor,
    }
}
