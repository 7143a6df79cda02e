//! The parts of the export schema that are read (torch's `_export/serde/schema.py`, major version 8).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value as Json;

/// The major version understood.
pub const MAJOR: u64 = 8;
/// The latest minor version known, that of torch 2.12 to 2.15.
pub const MINOR: u64 = 20;

#[derive(Debug, Deserialize)]
pub struct ExportedModel {
    pub graph_module: GraphModule,
}

#[derive(Debug, Deserialize)]
pub struct GraphModule {
    pub graph: ExportedGraph,
    pub signature: Signature,
    #[serde(default)]
    pub module_call_graph: Vec<ModuleCall>,
    #[serde(default)]
    pub treespec_namedtuple_fields: BTreeMap<String, NamedTuple>,
}

#[derive(Debug, Deserialize)]
pub struct NamedTuple {
    pub field_names: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub struct ModuleCall {
    pub fqn: String,
    pub signature: Option<CallSignature>,
}

#[derive(Debug, Deserialize)]
pub struct CallSignature {
    /// A tree spec, as JSON within a string.
    pub in_spec: String,
    pub forward_arg_names: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
pub struct ExportedGraph {
    #[serde(default)]
    pub inputs: Vec<Argument>,
    #[serde(default)]
    pub outputs: Vec<Argument>,
    pub nodes: Vec<ExportedNode>,
    pub tensor_values: BTreeMap<String, TensorMeta>,
}

#[derive(Debug, Deserialize)]
pub struct ExportedNode {
    pub target: String,
    pub inputs: Vec<NamedArgument>,
    pub outputs: Vec<Argument>,
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
pub struct NamedArgument {
    pub name: String,
    pub arg: Argument,
}

/// An argument is an object with one key that names its kind.
pub type Argument = BTreeMap<String, Json>;

#[derive(Debug, Clone, Deserialize)]
pub struct TensorMeta {
    pub dtype: i64,
    pub sizes: Vec<Argument>,
    pub strides: Vec<Argument>,
    pub storage_offset: Argument,
}

impl TensorMeta {
    /// Sizes, where every one is a plain number.
    pub fn fixed(list: &[Argument]) -> Option<Vec<i64>> {
        list.iter().map(|size| size.get("as_int")?.as_i64()).collect()
    }

    /// Sizes with `None` for the symbolic ones.
    pub fn sizes(&self) -> Vec<Option<usize>> {
        let size = |size: &Argument| usize::try_from(size.get("as_int")?.as_i64()?).ok();
        self.sizes.iter().map(size).collect()
    }
}

#[derive(Debug, Deserialize)]
pub struct Signature {
    pub input_specs: Vec<Argument>,
    pub output_specs: Vec<Argument>,
}

/// `model_weights_config.json` and `model_constants_config.json`.
#[derive(Debug, Default, Deserialize)]
pub struct PayloadConfig {
    pub config: BTreeMap<String, Payload>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Payload {
    pub path_name: String,
    #[serde(default)]
    pub use_pickle: bool,
    pub tensor_meta: Option<TensorMeta>,
}

/// The only entry of a one-key object.
pub fn single(object: &Argument) -> Option<(&str, &Json)> {
    let mut entries = object.iter();
    let (key, value) = entries.next()?;
    entries.next().is_none().then_some((key.as_str(), value))
}

/// The name of the value an argument, or an element of one, refers to.
pub fn reference(json: &Json) -> Option<&str> {
    json.get("name").or_else(|| json.get("as_name"))?.as_str()
}
