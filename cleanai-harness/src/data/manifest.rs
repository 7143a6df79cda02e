//! Manifests: CSV files that list inputs, each with its label and whatever else is known of it. `cargo cleanai select` writes them, hands may.
//!
//! What is in one is said at [`DataSet`](crate::data::DataSet).

mod read;
mod write;

#[cfg(feature = "torch")]
pub(super) use read::files;
pub(super) use read::read;
pub(super) use write::text;

/// The column of inputs: an image's path from the manifest's folder, or an array file's with the position in it.
const INPUT: &str = "input";

/// The column of labels.
const LABEL: &str = "label";

/// The column of the labels' names.
const CLASS: &str = "class";

/// `digits.npz[12]` taken apart into the file and the position; nothing where no position ends the text.
fn position(text: &str) -> Option<(&str, &str)> {
    let (file, digits) = text.strip_suffix(']')?.rsplit_once('[')?;
    let number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    (number && !file.is_empty()).then_some((file, digits))
}
