//! `[models.NAME]`

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::reader::{Table, Value};
use super::reference;
use super::tests::device;
use crate::Result;
use crate::declare::{AxisChoice, DeviceChoice, InputChoice, StateChoice};
use crate::model::signature::ElementType;

/// `[models.NAME]`
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelTable {
    /// `path`, relative to the file; `None` for a model that a function builds.
    pub path: Option<PathBuf>,
    /// `function`, the name of a constructor marked `#[cleanai::model]`, in place of `path`.
    pub function: Option<String>,
    /// `device`; `None` leaves it to `[defaults]`.
    pub device: Option<DeviceChoice>,
    /// `libraries`: those with a folder in their path are relative to the file, others are looked for by the loader.
    pub libraries: Vec<PathBuf>,
    /// `allow_files`
    pub allow_files: bool,
    /// `state`
    pub state: StateChoice,
    /// `inputs`, by name.
    pub inputs: BTreeMap<String, InputChoice>,
    /// `axes`, by a glob on layer names.
    pub axes: Vec<AxisChoice>,
}

pub(super) fn read(value: Value<'_>) -> Result<ModelTable> {
    let mut table = Table::open(value, reference::MODELS)?;
    let libraries = match table.take("libraries") {
        Some(value) => value.list()?.iter().map(|library| Ok(library.name()?.into())).collect::<Result<_>>()?,
        None => Vec::new(),
    };
    let state = |value: Value<'_>| value.word(&[("fresh", StateChoice::Fresh), ("keep", StateChoice::Keep)]);
    let inputs = match table.take("inputs") {
        Some(value) => {
            let entries = value.entries()?.into_iter();
            entries.map(|(key, value)| Ok((key.text, input(value)?))).collect::<Result<_>>()?
        }
        None => BTreeMap::new(),
    };
    let axes = match table.take("axes") {
        Some(value) => value.entries()?.into_iter().map(|(key, value)| axis(key.text, value)).collect::<Result<_>>()?,
        None => Vec::new(),
    };
    let function = table.take("function");
    let path = match (&function, table.take("path")) {
        (Some(function), Some(_)) => {
            return Err(function
                .error(format!("{} stands beside `path`", function.name))
                .with_help("keep one: `path` names a file, `function` a constructor"));
        }
        (Some(_), None) => None,
        (None, Some(path)) => Some(path.name()?.into()),
        (None, None) => Some(table.need("path", "\"models/lenet5.pt\"")?.name()?.into()),
    };
    Ok(ModelTable {
        path,
        function: function.map(|value| value.name().map(str::to_owned)).transpose()?,
        device: table.take("device").map(|value| device(&value)).transpose()?,
        libraries,
        allow_files: table.take("allow_files").map(|value| value.needed_boolean()).transpose()?.unwrap_or(false),
        state: table.take("state").map(state).transpose()?.unwrap_or_default(),
        inputs,
        axes,
    })
}

/// `"int64"`, or `{ type = "int64", batch = 1 }`.
fn input(value: Value<'_>) -> Result<InputChoice> {
    if !value.is_table() {
        return Ok(InputChoice { element: Some(value.word(&ElementType::NAMES)?), batch: None });
    }
    let mut table = Table::open(value, reference::INPUT)?;
    Ok(InputChoice {
        element: table.take("type").map(|value| value.word(&ElementType::NAMES)).transpose()?,
        batch: table.take("batch").map(|value| value.integer()).transpose()?,
    })
}

fn axis(layers: String, value: Value<'_>) -> Result<AxisChoice> {
    let mut table = Table::open(value, reference::AXIS)?;
    let batch = table.take("batch").map(|value| value.integer()).transpose()?;
    let channel = table.take("channel").map(|value| value.integer()).transpose()?;
    Ok(AxisChoice { layers, batch, channel })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn parse(text: &str) -> Result<Config> {
        Config::parse(PathBuf::from("/p/cleanai.toml"), text)
    }

    #[test]
    fn a_model_s_table_says_how_it_is_opened_and_fed() {
        let text = "[models.captions]\npath = 'captions.pt'\nlibraries = ['libtorchvision.so', 'lib/own.so']\nallow_files = true\n\
                    state = 'keep'\ninputs = { tokens = 'int64', x = { type = 'float16', batch = 1 } }\n\
                    axes = { 'encoder.*' = { channel = 2 }, decoder = { batch = 1, channel = -1 } }\n";
        let table = parse(text).expect(text).models.remove("captions").expect("the table");
        let axis = |layers: &str, batch, channel| AxisChoice { layers: layers.into(), batch, channel };
        assert_eq!(
            table,
            ModelTable {
                path: Some("captions.pt".into()),
                libraries: vec!["libtorchvision.so".into(), "lib/own.so".into()],
                allow_files: true,
                state: StateChoice::Keep,
                inputs: [
                    ("tokens".to_owned(), InputChoice { element: Some(ElementType::Int64), batch: None }),
                    ("x".to_owned(), InputChoice { element: Some(ElementType::Float16), batch: Some(1) }),
                ]
                .into(),
                axes: vec![axis("encoder.*", None, Some(2)), axis("decoder", Some(1), Some(-1))],
                ..ModelTable::default()
            }
        );
        let function =
            parse("[models.m]\nfunction = 'lenet'\n").expect("a function").models.remove("m").expect("the table");
        assert_eq!((function.path, function.function.as_deref()), (None, Some("lenet")));
        for (keys, what) in [
            ("path = 'a.pt'\nfunction = 'f'", "stands beside `path`"),
            ("device = 'cpu'", "lacks `path`"),
            ("path = 'a.pt'\nstate = 'old'", "cannot be `old`"),
            ("path = 'a.pt'\ninputs = { x = 'int63' }", "cannot be `int63`"),
            ("path = 'a.pt'\naxes = { conv = { chanel = 1 } }", "unknown key `chanel`"),
            ("path = 'a.pt'\nlibraries = 'a.so'", "must be a list"),
        ] {
            let said = parse(&format!("[models.m]\n{keys}\n")).expect_err(keys).to_string();
            assert!(said.contains(what), "{keys}: {said}");
        }
    }
}
