//! A daemon that begins with a release: deployed first, reachable by commands afterwards (compat C-159 to C-164).

use rollcore::{
    Bootstrap, BootstrapOptions, ControlServer, ControlSpec, Engine, EngineOptions, Event, Release,
    find_release, take_over,
};

use crate::cli::DaemonArgs;
use crate::output::Failed;

/// How a daemon begins.
pub(super) enum Start {
    /// With no release; somebody will deploy one.
    Empty,
    /// With this one.
    With {
        bootstrap: Bootstrap,
        /// In the place of the daemon that is there.
        takes_over: bool,
    },
}

impl Start {
    /// What was typed, checked before anything is bound or spawned.
    pub(super) fn of(args: &DaemonArgs) -> Result<Self, Failed> {
        let typed = &args.bootstrap;
        let options = BootstrapOptions {
            config: args.config.config.as_ref().map(|path| path.to_string_lossy().into_owned()),
            release_path: typed.release_path.clone(),
            release_id: typed.release_id.clone(),
            revision: typed.revision.clone(),
            boot_attestation: typed.boot_attestation.clone(),
            takeover_owner: typed.takeover_owner,
        };
        let Some(bootstrap) = options.check().map_err(Failed::because)? else { return Ok(Self::Empty) };
        find_release(&bootstrap).map_err(Failed::because)?;
        Ok(Self::With { bootstrap, takes_over: typed.takeover_owner })
    }

    /// Whether there is another daemon that has its addresses until it has retired.
    pub(super) fn takes_over(&self) -> bool {
        matches!(self, Self::With { takes_over: true, .. })
    }

    /// What the engine is told of it.
    pub(super) fn options(&self) -> EngineOptions {
        match self {
            Self::Empty => EngineOptions::default(),
            Self::With { bootstrap, takes_over } => {
                let options =
                    EngineOptions { bootstrap: Some(bootstrap.clone()), ..EngineOptions::default() };
                if *takes_over { options.taking_over() } else { options }
            }
        }
    }

    /// Binds the control socket, once the release is active. Everything that was begun is still there after a failure.
    pub(super) async fn open(&self, engine: &Engine, control: &ControlSpec) -> Result<ControlServer, Failed> {
        if matches!(self, Self::With { takes_over: false, .. }) {
            // Nobody else has the proxy's address. A release that is killed while it starts must be known.
            engine.keep_state().await;
        }
        let server = self.bind(engine, control).await?;
        // Whoever has the socket is the daemon of this application, and the state file is his.
        engine.keep_state().await;
        if matches!(self, Self::Empty) {
            // It goes on by itself, and tells of its end by events.
            drop(engine.restore());
        }
        Ok(server)
    }

    async fn bind(&self, engine: &Engine, control: &ControlSpec) -> Result<ControlServer, Failed> {
        let (bootstrap, takes_over) = match self {
            Self::Empty => return ControlServer::bind(control).await.map_err(Failed::because),
            Self::With { bootstrap, takes_over } => (bootstrap, *takes_over),
        };
        let failed = |error: Failed| {
            engine.record(Event::BootstrapFailed { release: bootstrap.release_id.clone() });
            error
        };
        engine.deploy(release(bootstrap)?).await.map_err(Failed::because).map_err(failed)?;
        match (&bootstrap.attestation, takes_over) {
            (Some(attestation), true) => {
                take_over(engine, control, attestation).await.map_err(Failed::because).map_err(failed)
            }
            _ => ControlServer::bind(control).await.map_err(Failed::because),
        }
    }
}

fn release(bootstrap: &Bootstrap) -> Result<Release, Failed> {
    Release::new(bootstrap.release_id.as_str(), bootstrap.release_path.as_str())
        .and_then(|release| release.revision(bootstrap.revision.as_str()))
        .map_err(Failed::because)
}
