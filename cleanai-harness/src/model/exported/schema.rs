//! The parts of the export schema that are read (torch's `_export/serde/schema.py`, major version 8).

use std::collections::BTreeMap;

use serde::Deserialize;

/// The major version understood.
pub const MAJOR: u32 = 8;

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
}

#[derive(Debug, Deserialize)]
pub struct ModuleCall {
    pub fqn: String,
}

#[derive(Debug, Deserialize)]
pub struct ExportedGraph {
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
pub type Argument = BTreeMap<String, serde_json::Value>;

#[derive(Debug, Clone, Deserialize)]
pub struct TensorMeta {
    pub dtype: i64,
    pub sizes: Vec<BTreeMap<String, serde_json::Value>>,
    pub strides: Vec<BTreeMap<String, serde_json::Value>>,
    pub storage_offset: BTreeMap<String, serde_json::Value>,
}

impl TensorMeta {
    /// Sizes, where every one is a plain number.
    pub fn fixed(list: &[BTreeMap<String, serde_json::Value>]) -> Option<Vec<i64>> {
        list.iter().map(|size| size.get("as_int")?.as_i64()).collect()
    }

    /// Sizes with `None` for the symbolic ones.
    pub fn sizes(&self) -> Vec<Option<i64>> {
        self.sizes.iter().map(|size| size.get("as_int").and_then(serde_json::Value::as_i64)).collect()
    }
}

#[derive(Debug, Deserialize)]
pub struct Signature {
    pub input_specs: Vec<BTreeMap<String, serde_json::Value>>,
    pub output_specs: Vec<BTreeMap<String, serde_json::Value>>,
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
