//! Reporters: each reads an [`Outcome`] and runs nothing.
//!
//! [`terminal`] returns text; [`junit`], [`pdf`], [`html`], [`markdown`] and [`json`] write a file for all tests of a run;
//! [`annotations`] are lines for GitHub Actions; [`fragment`] keeps one file per test, so that tests which ran in separate processes (nextest) can be reported together. The words they share
//! stand in [`message`].

pub mod annotations;
mod axis;
mod chart;
pub mod cleanai;
mod curve;
pub(crate) mod date;
mod details;
mod explanation;
mod facts;
mod figure;
pub mod file;
pub mod format;
pub mod fragment;
pub mod html;
pub mod inputs;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod message;
#[cfg(feature = "pdf")]
pub mod pdf;
#[cfg(test)]
mod sample;
mod svg;
pub mod terminal;
mod text;

use crate::Error;
use crate::declare::TestIdentity;
use crate::gate::{BaselineVerdict, RequirementVerdict};
use crate::measure::Measurement;

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Everything holds.
    Passed,
    /// A requirement, the baseline or the test's body fails.
    Failed,
    /// It could not be measured.
    Error,
}

/// Everything there is to say about one test; what the fragments on disk hold and every reporter reads.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Outcome {
    /// Version of this record's JSON form, 1.
    pub schema: u32,
    /// The test.
    pub test: TestIdentity,
    /// How it ended.
    pub status: Status,
    /// What was measured; `None` after an error.
    pub measurement: Option<Measurement>,
    /// Requirement by requirement, in the order declared.
    pub requirements: Vec<RequirementVerdict>,
    /// The baseline.
    pub baseline: BaselineVerdict,
    /// What the test's body said when it failed.
    pub body: Option<String>,
    /// Why it could not be measured.
    pub error: Option<Error>,
    /// Commands that a reader can copy; none where the runner does not know them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commands: Option<Commands>,
    /// How often it ran, where that is more than once (retries); the last attempt is what stands here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// Start, seconds since the Unix epoch.
    pub started: u64,
    /// Wall-clock seconds.
    pub seconds: f64,
}

/// Commands that go with a test.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Commands {
    /// Runs this test alone: `cargo test -p digits-example --test coverage -- --exact lenet5`.
    pub rerun: String,
    /// Accepts what changed, where there is something to accept: `cargo insta accept --snapshot "..."`.
    pub accept: Option<String>,
}
