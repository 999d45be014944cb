//! The config is read again before every deploy and every rollback (compat C-30).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rollcore::{Application, Engine};

use super::printer::Printer;
use crate::config_file;

/// From now on `engine` asks the file at `path`, as it was given at the start.
pub(super) fn reload_from(engine: &Engine, path: PathBuf) {
    // What a config prints must not hold up the deploy that reads it, however slow the log is.
    let stderr = Arc::new(Mutex::new(Printer::new(io::stderr())));
    engine.reload_with(move || {
        let (path, stderr) = (path.clone(), Arc::clone(&stderr));
        async move {
            let loading = tokio::task::spawn_blocking(move || read(&path, &stderr));
            loading.await.unwrap_or_else(|ended| Err(ended.to_string()))
        }
    });
}

/// What it says in an error is the error of the deploy (C-31).
fn read(path: &Path, stderr: &Mutex<Printer>) -> Result<Application, String> {
    let said = |bytes: &[u8]| {
        let stderr = stderr.lock().unwrap_or_else(PoisonError::into_inner);
        stderr.print(String::from_utf8_lossy(bytes).into_owned());
    };
    let loaded = config_file::read(path, &said).map_err(|error| error.to_string())?;
    Ok(loaded.into_application())
}
