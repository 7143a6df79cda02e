//! What generated code may touch, and nothing else may: no part of the public interface.

use std::path::PathBuf;

pub use inventory;
pub use std::format;
// `assert_snapshot!` must expand in the user's crate: it looks for snapshots beside the file it stands in.
pub use insta;

#[cfg(feature = "torch")]
pub use crate::allocator::keep_freed_memory;
pub use crate::body::Failed;
pub use crate::declare::{NeuronKind, NonFinite};
use crate::declare::{Origin, Source};
pub use crate::measure::Measurement;
#[cfg(feature = "torch")]
pub use crate::runner::registered::main;
#[cfg(feature = "torch")]
pub use tch::Device;

/// A test's function in the form the runner calls.
pub type Body = fn(&Measurement) -> Result<(), Failed>;

/// One `#[coverage]` as it stands in the source; everything is known at compile time.
#[derive(Debug)]
pub struct Registration {
    /// The function.
    pub name: &'static str,
    /// Its module with the crate's name in front, as `module_path!` gives it.
    pub module_path: &'static str,
    /// Source file of the attribute, relative to the workspace root.
    pub file: &'static str,
    /// Line of the attribute, from 1.
    pub line: u32,
    /// Column of the attribute, from 1.
    pub column: u32,
    /// The package's folder when it was compiled.
    pub manifest_dir: &'static str,
    /// The package's name.
    pub package: &'static str,
    /// The test target's crate name.
    pub target: &'static str,
    /// A key of `[models]` or a path.
    pub model: &'static str,
    /// The model it is compared with, a key of `[models]` or a path.
    pub against: Option<&'static str>,
    /// The requirements' texts.
    pub requirements: &'static [&'static str],
    /// Line and column of each of them, from 1.
    pub places: &'static [(u32, u32)],
    /// `data`
    pub data: Option<&'static str>,
    /// `layers`, a selector's text.
    pub layers: Option<&'static str>,
    /// `neurons`
    pub neurons: Option<NeuronKind>,
    /// `batch`
    pub batch: Option<usize>,
    /// `device`
    pub device: Option<&'static str>,
    /// `non_finite`
    pub non_finite: Option<NonFinite>,
    /// Whether the function is marked `#[ignore]`.
    pub ignored: bool,
    /// The function, unless it is empty.
    pub body: Option<Body>,
    /// `insta::assert_snapshot!(name, text)` in the function's module.
    pub assert_snapshot: fn(name: &str, text: &str),
}

inventory::collect!(Registration);

#[cfg(test)]
impl Registration {
    /// What `#[coverage(model = "lenet5", nc >= 0.4)]` registers in a package of this folder.
    pub(crate) fn sample(package: &std::path::Path) -> Self {
        Self {
            name: "lenet",
            module_path: "coverage",
            file: "tests/coverage.rs",
            line: 7,
            column: 3,
            // A registration holds nothing shorter-lived, and tests end soon.
            manifest_dir: Box::leak(package.display().to_string().into_boxed_str()),
            // Not the package that runs this test, whose folder cargo names.
            package: "of-a-test",
            target: "coverage",
            model: "lenet5",
            against: None,
            requirements: &["nc >= 0.4"],
            places: &[(8, 5)],
            data: None,
            layers: None,
            neurons: None,
            batch: None,
            device: None,
            non_finite: None,
            ignored: false,
            body: None,
            assert_snapshot: |_, _| {},
        }
    }
}

/// One `#[cleanai::model]` as it stands in the source.
#[cfg(feature = "torch")]
#[derive(Debug)]
pub struct ModelRegistration {
    /// The function.
    pub name: &'static str,
    /// Source file of the attribute.
    pub file: &'static str,
    /// Line of the attribute, from 1.
    pub line: u32,
    /// Builds the model on a device; the error is shown.
    pub build: fn(tch::Device) -> std::result::Result<crate::model::Model, String>,
}

#[cfg(feature = "torch")]
inventory::collect!(ModelRegistration);

/// Whether a constructor of this name is registered.
#[cfg(feature = "torch")]
pub(crate) fn is_registered_model(name: &str) -> bool {
    inventory::iter::<ModelRegistration>.into_iter().any(|registration| registration.name == name)
}

/// None is: a constructor is a function of `tch`.
#[cfg(not(feature = "torch"))]
pub(crate) fn is_registered_model(_: &str) -> bool {
    false
}

impl Registration {
    /// `module::function` without the crate's name: what the runner shows and filters by.
    pub fn test_name(&self) -> String {
        match self.module_path.split_once("::") {
            Some((_, module)) => format!("{module}::{}", self.name),
            None => self.name.to_owned(),
        }
    }

    /// Where the requirement of this index stands; with the attribute itself where that is not known.
    pub fn origin(&self, index: usize) -> Origin {
        let (line, column) = self.places.get(index).copied().unwrap_or((self.line, self.column));
        Origin {
            source: Source::Attribute,
            file: PathBuf::from(self.file),
            line: line as usize,
            column: column as usize,
            text: String::new(),
        }
    }

    /// The package's folder now: where cargo or nextest says it is (an archive may have been unpacked elsewhere), else
    /// where it was compiled.
    pub fn package_dir(&self) -> PathBuf {
        let same_package = std::env::var_os("CARGO_PKG_NAME").is_some_and(|name| name == *self.package);
        match std::env::var_os("CARGO_MANIFEST_DIR") {
            Some(folder) if same_package && !folder.is_empty() => PathBuf::from(folder),
            _ => PathBuf::from(self.manifest_dir),
        }
    }
}

/// What a body may return: nothing, or a result whose error can be displayed.
#[diagnostic::on_unimplemented(
    message = "the body of a coverage test returns `()` or `Result<(), E>`, not `{Self}`",
    label = "returns `{Self}`",
    note = "`E` is `Failed`, or any error that can be displayed"
)]
pub trait IntoBodyResult {
    /// The common form.
    ///
    /// # Errors
    /// The body's own.
    fn into_body_result(self) -> Result<(), Failed>;
}

impl IntoBodyResult for () {
    fn into_body_result(self) -> Result<(), Failed> {
        Ok(())
    }
}

impl<E: Into<Failed>> IntoBodyResult for Result<(), E> {
    fn into_body_result(self) -> Result<(), Failed> {
        self.map_err(Into::into)
    }
}
