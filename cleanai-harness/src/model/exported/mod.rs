//! torch.export: `.pt2` archives, read and checked in Rust and built into the same kind of graph as TorchScript's.

mod archive;
mod arguments;
mod build;
mod inline;
mod inputs;
mod modules;
mod mutation;
mod nodes;
mod schema;
mod state_dict;
mod weights;

use std::path::Path;

use super::graph::Graph;
use super::torchscript::ffi::Program;
use crate::Result;

/// Opens a `.pt2` archive on this device (`None` is the CPU).
pub(super) fn open(path: &Path, device: Option<usize>) -> Result<(Program, Graph)> {
    let mut archive = archive::Archive::open(path)?;
    let model = archive.model()?;
    build::build(&mut archive, model, device)
}
