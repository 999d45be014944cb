//! Where the config is (compat C-6, C-7, C-15).

use std::path::{Component, Path, PathBuf};

use super::LoadError;

/// What is looked for in the current directory, in this order.
const NAMES: [&str; 5] = ["rollcore.json", "rollcore.toml", "rollcore.lua", "rollcore.js", "rollbridge.js"];

/// The given file, as it was given; or the one in the current directory, as an absolute path.
pub(super) fn find(given: Option<&Path>) -> Result<PathBuf, LoadError> {
    if let Some(given) = given {
        return Ok(given.to_owned());
    }
    let here = std::env::current_dir().map_err(|error| LoadError::NotFound(error.to_string()))?;
    let found = NAMES.iter().map(|name| here.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| {
        let names = NAMES.join(", ");
        let here = here.display();
        LoadError::NotFound(format!(
            "No config file found in {here}. Pass --config <path> or add one of: {names}."
        ))
    })
}

/// The same place, from the root and without `.` and `..`, so that its directory has a name.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, String> {
    let path = std::path::absolute(path).map_err(|error| error.to_string())?;
    Ok(normal(&path))
}

fn normal(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut normal, component| {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
        normal
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C-15.
    #[test]
    fn the_directory_of_a_relative_path_has_a_name() {
        for (path, expected) in [
            ("/srv/shop/../shop/./rollbridge.js", "/srv/shop/rollbridge.js"),
            ("/srv/shop/v1/../rollbridge.js", "/srv/shop/rollbridge.js"),
            ("/../../rollbridge.js", "/rollbridge.js"),
        ] {
            assert_eq!(normal(Path::new(path)), Path::new(expected));
        }
    }

    /// C-6.
    #[test]
    fn a_path_that_was_given_is_taken_as_it_is() {
        let given = Path::new("../x/./nope.js");
        assert_eq!(find(Some(given)).expect("it is given").as_os_str(), given.as_os_str());
    }
}
