//! Makes sure that libtorch is there and that the project finds it.

use std::env;
use std::path::PathBuf;

use crate::error::Result;
use crate::libtorch::find::{Wanted, host};
use crate::libtorch::{Libtorch, VERSION};
use crate::progress::say;
use crate::workspace::Workspace;

/// What a project, or none, wants of libtorch.
pub fn wanted(workspace: Option<&Workspace>) -> Result<Wanted> {
    let version = workspace.map_or(VERSION, |workspace| workspace.version);
    let own = match workspace {
        Some(workspace) => workspace.own_libtorch()?,
        None => env::var_os("LIBTORCH")
            .filter(|value| !value.is_empty())
            .map(|value| ("LIBTORCH".to_string(), PathBuf::from(value))),
    };
    Ok(Wanted { version, platform: host(version)?, own })
}

/// libtorch, found or fetched, and the project linked to it. Quick and silent when that is so already.
pub fn ensure(workspace: Option<&Workspace>) -> Result<Libtorch> {
    let wanted = wanted(workspace)?;
    if let Some(own) = wanted.own()? {
        return Ok(own);
    }
    let Some(workspace) = workspace else {
        return wanted.provide();
    };
    if let Ok(linked) = workspace.linked(wanted.platform) {
        return Ok(linked);
    }
    let libtorch = wanted.provide()?;
    say("Found", format!("libtorch {}", libtorch.describe()));
    workspace.link(&libtorch)?;
    Ok(libtorch)
}

/// `cargo cleanai setup`: looks everywhere anew, so that a better libtorch than the one linked is taken.
pub fn setup() -> Result<u8> {
    let workspace = Workspace::find()?;
    let wanted = wanted(workspace.as_ref())?;
    let libtorch = wanted.provide()?;
    say("Found", format!("libtorch {}", libtorch.describe()));
    match &workspace {
        Some(workspace) => {
            // A libtorch that only a variable of this shell names is linked too: plain cargo test needs no variable then.
            workspace.link(&libtorch)?;
            let tests = if workspace.is_ours { "cargo test --workspace" } else { "cargo test" };
            say("Ready", format!("`{tests}` and `cargo nextest run` find it with no variable set"));
        }
        None => say("Ready", "there is no Cargo project here; run it again in yours to link it there"),
    }
    Ok(0)
}
