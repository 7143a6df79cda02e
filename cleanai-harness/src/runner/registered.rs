//! What `main!()` runs: the tests that `#[coverage]` registered, with the real passes and reporters.

use std::env;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use super::{Measure, Parts, Reporters, Test, show};
use crate::allocator::keep_freed_memory;
use crate::cache;
use crate::config::{self, Config};
use crate::declare::TestIdentity;
use crate::measure::Plan;
use crate::private::Registration;
use crate::report;

/// Runs the registered tests that the process's arguments ask for.
pub fn main() -> ExitCode {
    if env::var_os(show::VARIABLE).is_some_and(|asked| !asked.is_empty()) {
        return tell_settings();
    }
    keep_freed_memory();
    if let Err(error) = cache::Settings::of_environment() {
        super::print_error(&error);
        return ExitCode::from(super::CONFIGURATION);
    }
    let parts = Parts {
        tests: inventory::iter::<Registration>().map(test).collect(),
        configuration: Config::find,
        plan: Box::new(|declarations| {
            let plan = Plan::new(declarations);
            let measure: Arc<Measure> = Arc::new(move |index| plan.measure(index));
            measure
        }),
        reporters: REPORTERS,
    };
    super::run(parts, env::args_os())
}

/// Answers `cargo cleanai config show`.
fn tell_settings() -> ExitCode {
    let answer = show::answer(inventory::iter::<Registration>(), Config::find);
    let written = serde_json::to_string(&answer).map_err(std::io::Error::from);
    match written.and_then(|line| writeln!(std::io::stdout(), "{line}")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            super::print_error(&crate::Error::io("write to", "the standard output".as_ref(), why));
            ExitCode::from(super::CONFIGURATION)
        }
    }
}

const REPORTERS: Reporters = Reporters {
    render: report::terminal::render,
    #[cfg(feature = "pdf")]
    pdf: Some(report::pdf::write),
    #[cfg(not(feature = "pdf"))]
    pdf: None,
    junit: report::junit::write,
    json: report::json::write,
    html: report::html::write,
    markdown: report::markdown::render,
    annotations: report::annotations::lines,
    write_fragment: report::fragment::write,
    summary: report::terminal::summary,
    read_fragments: report::fragment::read_all,
};

fn test(registration: &'static Registration) -> Test {
    let identity = TestIdentity {
        name: registration.test_name(),
        package: registration.package.to_owned(),
        target: registration.target.to_owned(),
        file: registration.file.into(),
        line: registration.line,
    };
    let declare = |config: &Config| config::resolve(registration, config);
    Test {
        identity,
        function: registration.name,
        module_path: registration.module_path,
        file: registration.file,
        package_dir: registration.package_dir(),
        ignored: registration.ignored,
        declare: Box::new(declare),
        body: registration.body.map(|body| -> super::Body {
            Box::new(move |measurement| body(measurement).map_err(|failed| failed.message().to_owned()))
        }),
        assert_snapshot: registration.assert_snapshot,
    }
}
