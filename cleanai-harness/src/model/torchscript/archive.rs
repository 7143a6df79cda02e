//! A TorchScript archive before libtorch opens it. libtorch trusts what is checked here: that the weights are as long as the
//! pickles say, that views stay within them, and that code nests no deeper than its parser can recurse.

use std::path::Path;

use super::pickle::{self, Contents, View};
use crate::model::container::Container;
use crate::{Error, Result};

/// Bound of each pickle and each file of code.
const LARGEST_TEXT: u64 = 512 << 20;
/// The deepest nesting of brackets and blocks in code.
const DEEPEST: usize = 200;
/// The most operators in a row, and the most `elif`s in a file: the tree they are parsed into is that deep.
const LONGEST_CHAIN: usize = 10_000;
/// Operators that reach for other files.
const FILES: &[&str] = &["torch.save(", "aten.save(", "from_file("];

const EXPORT: &str =
    "copy the file again, or export it again: torch.jit.trace(model.eval(), example).save(\"model.pt\")";

/// Checks everything libtorch does not.
///
/// # Errors
/// What is wrong with the archive.
pub fn check(path: &Path, allow_files: bool) -> Result<()> {
    let mut archive = Container::open(path)?;
    let names = archive.names().to_vec();
    let root = names.first().and_then(|name| name.split_once('/')).map(|(root, _)| format!("{root}/"));
    let Some(root) = root.filter(|root| names.iter().all(|name| name.starts_with(root.as_str()))) else {
        return Err(archive.error("its members do not lie in one folder, as torch puts them").with_help(EXPORT));
    };
    // libtorch looks members up without regard to case.
    let mut folded: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    folded.sort_unstable();
    if let Some(pair) = folded.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(archive
            .error(format!("two of its members are named {}", pair[0].escape_debug()))
            .with_help(EXPORT));
    }
    if folded.binary_search(&format!("{}model.json", root.to_lowercase())).is_ok() {
        return Err(archive
            .error("it is in the TorchScript format of torch 1.2 and earlier")
            .with_help("export it again with a torch of today"));
    }
    let mut weights = Vec::new();
    for pickle in ["data", "constants"] {
        let (name, shown) = (format!("{root}{pickle}.pkl"), format!("{pickle}.pkl"));
        if !archive.has(&name) && pickle == "constants" {
            continue;
        }
        let bytes = archive.read(&name, &shown, LARGEST_TEXT)?;
        let damaged =
            |why: String| archive.error(format!("{shown} is damaged or not supported: {why}")).with_help(EXPORT);
        let contents = pickle::read(&bytes).map_err(damaged)?;
        check_weights(&mut archive, &root, pickle, &contents)?;
        weights.extend(contents.storages.iter().map(|storage| format!("{root}{pickle}/{}", storage.key)));
    }
    let code = format!("{root}code/");
    let mut sources = 0;
    for name in names.iter().filter(|name| name.starts_with(&code) && name.ends_with(".py")) {
        let shown = name.strip_prefix(&root).unwrap_or(name);
        let bytes = archive.read(name, shown, LARGEST_TEXT)?;
        check_code(&bytes, allow_files).map_err(|why| archive.error(format!("{shown} {why}")).with_help(EXPORT))?;
        sources += 1;
    }
    if sources == 0 {
        return Err(archive.error("its code is missing in the archive").with_help(EXPORT));
    }
    weights.sort_unstable();
    weights.dedup();
    for name in weights.iter().filter(|name| archive.has(name)).cloned().collect::<Vec<_>>() {
        archive.verify(&name)?;
    }
    Ok(())
}

fn check_weights(archive: &mut Container, root: &str, folder: &str, contents: &Contents) -> Result<()> {
    for storage in &contents.storages {
        let shown = format!("{folder}/{}", storage.key);
        let fail = |archive: &Container, why: String| -> Error {
            archive.error(format!("the weights {} {why}", shown.escape_debug())).with_help(EXPORT)
        };
        let Some(width) = width(&storage.class) else {
            return Err(fail(archive, format!("are of the unknown type {}", storage.class.escape_debug())));
        };
        let Ok(elements) = u64::try_from(storage.elements) else {
            return Err(fail(archive, format!("have {} elements", storage.elements)));
        };
        if elements == 0 {
            continue;
        }
        let Some(stored) = archive.size(&format!("{root}{shown}")) else {
            return Err(fail(archive, "are missing in the archive".into()));
        };
        match elements.checked_mul(width) {
            Some(bytes) if bytes <= stored => {}
            _ => {
                return Err(fail(
                    archive,
                    format!("are too short: {elements} values of {width} bytes are needed, {stored} bytes are stored"),
                ));
            }
        }
    }
    for view in &contents.views {
        let storage = &contents.storages[view.storage];
        if !fits(view, storage.elements) {
            return Err(archive
                .error(format!(
                    "a tensor of shape {:?} with strides {:?} from {} lies outside its {} weights {folder}/{}",
                    view.sizes,
                    view.strides,
                    view.offset,
                    storage.elements,
                    storage.key.escape_debug()
                ))
                .with_help(EXPORT));
        }
    }
    Ok(())
}

/// Whether all elements of a view lie within a storage of this many.
pub(in crate::model) fn fits(view: &View, elements: i64) -> bool {
    let View { offset, sizes, strides, .. } = view;
    if sizes.len() != strides.len() || *offset < 0 || sizes.iter().chain(strides).any(|number| *number < 0) {
        return false;
    }
    // An empty tensor touches nothing, but its other sizes still count as sizes.
    let count = sizes.iter().try_fold(1i64, |count, size| count.checked_mul((*size).max(1)));
    let reach = sizes
        .iter()
        .zip(strides)
        .map(|(size, stride)| i128::from((size - 1).max(0)) * i128::from(*stride))
        .sum::<i128>();
    let empty = sizes.contains(&0);
    count.is_some() && if empty { *offset <= elements } else { i128::from(*offset) + reach < i128::from(elements) }
}

/// Bytes of an element.
fn width(class: &str) -> Option<u64> {
    Some(match class.strip_suffix("Storage")? {
        "ComplexDouble" => 16,
        "Double" | "Long" | "ComplexFloat" | "UInt64" => 8,
        "Float" | "Int" | "QInt32" | "ComplexHalf" | "UInt32" => 4,
        "Half" | "BFloat16" | "Short" | "UInt16" => 2,
        "Char" | "Byte" | "Bool" | "QInt8" | "QUInt8" | "QUInt4x2" | "QUInt2x4" | "Untyped" => 1,
        _ => return None,
    })
}

/// Refuses code that would exhaust the parser's stack, or that reaches for other files.
fn check_code(code: &[u8], allow_files: bool) -> std::result::Result<(), String> {
    let (mut depth, mut chain, mut quote, mut line_start, mut indent) = (0usize, 0usize, None, true, 0usize);
    let (mut dense, mut bytes) = (Vec::with_capacity(code.len()), code.iter().copied());
    while let Some(byte) = bytes.next() {
        if let Some(open) = quote {
            match byte {
                b'\\' => drop(bytes.next()),
                byte if byte == open => quote = None,
                _ => {}
            }
            continue;
        }
        if line_start && byte == b' ' {
            indent += 1;
            continue;
        }
        line_start = false;
        match byte {
            b'"' | b'\'' => quote = Some(byte),
            b'#' => {
                bytes.find(|byte| *byte == b'\n');
                (line_start, indent) = (true, 0);
            }
            b'(' | b'[' | b'{' => {
                depth += 1;
                chain += 1;
            }
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'\n' => {
                chain = if depth == 0 { 0 } else { chain };
                (line_start, indent) = (true, 0);
            }
            b',' => chain = 0,
            byte if byte.is_ascii_alphanumeric() || byte == b'_' => {}
            // Words that are operators (`not`, `and`, `if`) have spaces around them.
            _ => chain += 1,
        }
        if depth > DEEPEST || indent > 8 * DEEPEST {
            return Err(format!("nests more than {DEEPEST} deep"));
        }
        if chain > LONGEST_CHAIN {
            return Err(format!("has an expression of more than {LONGEST_CHAIN} operators"));
        }
        if !byte.is_ascii_whitespace() {
            dense.push(byte);
        }
    }
    let count = |word: &[u8]| dense.windows(word.len()).filter(|window| *window == word).count();
    if count(b"elif") > LONGEST_CHAIN {
        return Err(format!("has more than {LONGEST_CHAIN} branches"));
    }
    if let Some(call) = FILES.iter().find(|call| !allow_files && count(call.as_bytes()) > 0) {
        return Err(format!(
            "calls {}, which reaches for files outside the model (allow_files = true in the model's table lets it)",
            call.trim_end_matches('(')
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_must_lie_within_their_storage() {
        let view = |offset, sizes: &[i64], strides: &[i64]| View {
            storage: 0,
            offset,
            sizes: sizes.to_vec(),
            strides: strides.to_vec(),
        };
        assert!(fits(&view(0, &[2, 3], &[3, 1]), 6));
        assert!(!fits(&view(1, &[2, 3], &[3, 1]), 6));
        assert!(!fits(&view(0, &[2, 3], &[4, 1]), 6));
        assert!(fits(&view(0, &[4, 6], &[0, 1]), 6), "a broadcast");
        assert!(fits(&view(5, &[], &[]), 6));
        assert!(!fits(&view(6, &[], &[]), 6));
        assert!(!fits(&view(-1, &[1], &[1]), 6));
        assert!(!fits(&view(5, &[2], &[-1]), 6));
        assert!(!fits(&view(0, &[-2], &[1]), 6));
        assert!(!fits(&view(0, &[2], &[]), 6));
        assert!(fits(&view(6, &[0, 3], &[3, 1]), 6));
        assert!(!fits(&view(0, &[i64::MAX, i64::MAX, 0], &[0, 0, 0]), 6));
        assert!(!fits(&view(0, &[i64::MAX, i64::MAX], &[i64::MAX, i64::MAX]), 6));
    }

    #[test]
    fn code_is_bounded_in_depth() {
        assert_eq!(
            check_code(b"def forward(self, x: Tensor) -> Tensor:\n  _0 = \"((((\"\n  return torch.relu(x)\n", false),
            Ok(())
        );
        let nested = format!("x = {}1{}", "(".repeat(300), ")".repeat(300));
        assert!(check_code(nested.as_bytes(), false).unwrap_err().contains("200 deep"));
        let chain = format!("x = {}1", "-".repeat(20_000));
        assert!(check_code(chain.as_bytes(), false).unwrap_err().contains("operators"));
        let list = format!("x = [{}]", "-1.5, ".repeat(20_000));
        assert_eq!(check_code(list.as_bytes(), false), Ok(()));
        assert!(check_code(b"  x = torch . save (y, \"/etc/passwd\")", false).unwrap_err().contains("torch.save"));
        assert_eq!(check_code(b"x = \"torch.save(\"  # torch.save(\n", false), Ok(()));
    }
}
