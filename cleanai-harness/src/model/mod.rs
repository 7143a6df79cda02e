//! From a model to a graph whose every layer can be observed.
//!
//! [`Model::open`] reads TorchScript (`.pt`, `.ptl`) and torch.export (`.pt2`) files into the same kind of graph, [`Model::from_fn`] and
//! [`Model::from_module`] trace a function; libtorch's own interpreter runs it and hands every layer's output over while it is hot.
//!
//! # What can be opened
//!
//! Each row is a network in `fixtures/kinds` (`fixtures/kinds.py` holds them), opened by `tests/kinds.rs` in the forms named: the outputs are
//! those of torch, and for TorchScript bit for bit those of libtorch's own `forward` of the whole file.
//!
//! | kind | traced | scripted | frozen | `.ptl` | `.pt2` | what is seen |
//! |---|---|---|---|---|---|---|
//! | MLP, LeNet, ResNet (`fixtures/models`) | yes | yes | | | yes | every activation, convolution and linear; the same names in all forms |
//! | MobileNetV2 (`mobilenet`) | yes | yes | yes | yes | yes | relu6 as the layer of its convolution; the last convolution with its norm |
//! | DenseNet (`densenet`), VGG with dropout (`vgg`), U-Net (`unet`) | yes | yes | vgg | | yes | joins, skips, transposed convolutions |
//! | LSTM on tokens (`lstm`), GRU with time first (`gru_time_first`) | yes | yes | lstm | lstm | yes | the recurrent output; whole numbers for embeddings; the batch on the second axis |
//! | a recurrent cell in a loop (`loop`, `loop_data`) | yes | yes | | | `loop` | each turn of the loop is a call of its own: `cell`, `cell#2`, ... |
//! | transformer encoder (`transformer`) | yes | as one operator | | | yes | scripted, libtorch takes its fast path: the block's output is the layer |
//! | ViT (`vit`), attention by einsum and bmm (`attention`) | yes | yes | | | yes | projections and feed-forward layers, features on the last axis |
//! | dynamically quantised linear (`quantised_linear`) | yes | yes | | yes | no: eager quantisation does not export | the numbers that outputs stand for |
//! | statically quantised conv (`quantised_conv`) | yes | yes | | | no | the same |
//! | branches on data (`branch`) | | yes | yes | yes | no: `torch.cond` is refused by name | inputs are run one by one |
//! | several inputs, tuple, dictionary, list, optional (`*_input`, `several_inputs`) | yes | yes | `several_inputs` | | yes | fed by name from an `.npz` |
//! | dictionary and tuple outputs (`dict_output`, `several_outputs`) | yes | yes | | | yes | the first tensor is the logits |
//! | state that a run changes (`stateful`) | yes | yes | | | yes | fresh for every batch, or kept: `state = "keep"` |
//! | half and bfloat16 weights | yes | yes | | | yes | inputs are fed in the weights' type |
//! | exported for one batch size (`fixed_batch_*`) | yes | | | | yes | found out and honoured |
//! | saved on CUDA (`cuda`) | yes | | | | | devices in the code become the one chosen |
//! | conv 1d, 3d, transposed, group and layer norm, every activation | yes | yes | | | yes | |
//! | archives of torch 1.4, 1.7, 1.13, 2.0 (`old`) | yes | yes | | | | |
//! | programs of torch 2.6 to 2.15 (`fixtures/exported`, `tests/exported`) | | | | | yes | schema 8.2 to 8.20; any other is refused by its version |
//! | written in Rust (`tests/rust_models.rs`) | | | | | | `from_module` names operators by the variables they read |
//!
//! Not opened: TorchScript of torch 1.2 and earlier, sparse tensors, custom objects, programs with higher-order operators; each is refused
//! by name. An endless loop in a model's own code does not end.
//!
//! # Layers, and where their inputs and channels lie
//!
//! The default layers and their names are CRITERIA's, section 1. [`Model::calibrate`] runs a batch of two and one of three inputs: the axis
//! that grows is the batch's, wherever it lies; places folded into it (heads, windows, time steps) are told from inputs by running one input
//! twice. What does not grow belongs to no input and is left out ([`Model::left_out`]), as is what no input reaches. The channel axis follows the
//! nearest producing operator; `axes` of the model's table decides against it:
//!
//! ```toml
//! [models.captions]
//! path = "models/captions.pt"
//! inputs = { tokens = "int64", x = { type = "float32", batch = 1 } }   # against what the file says
//! axes = { "encoder.*" = { channel = 2 }, decoder = { batch = 1, channel = -1 } }
//! state = "keep"                          # default: fresh for every batch
//! libraries = ["libtorchvision.so"]       # operators of others: loading runs the library's code
//! allow_files = false                     # whether operators that read and write files may be called
//! ```
//!
//! # A model file is code
//!
//! Opening a TorchScript file from a stranger means running the stranger's program, as a Python script would, with every operator that libtorch
//! has: it can use all memory and time there is, print, and call into libtorch's own defects. Before libtorch sees the file the archive is
//! checked (paths, sizes, checksums, weights against their shapes, nesting of code and data), and code that calls operators which reach for other
//! files (`save`, `from_file`) is refused unless `allow_files` says otherwise. A `.pt2` holds a list of operator calls, no code; only operators of
//! torch itself are called. Neither is a sandbox: run models you do not trust where you would run any program you do not trust.

pub mod layer;

#[cfg(feature = "torch")]
mod calibrate;
#[cfg(feature = "torch")]
pub(crate) mod constructor;
#[cfg(feature = "torch")]
mod container;
#[cfg(feature = "torch")]
mod device;
#[cfg(feature = "torch")]
mod exported;
#[cfg(feature = "torch")]
mod feed;
#[cfg(feature = "torch")]
mod file;
#[cfg(feature = "torch")]
mod gradient;
#[cfg(feature = "torch")]
pub mod graph;
#[cfg(feature = "torch")]
pub mod layers;
#[cfg(feature = "torch")]
mod libraries;
#[cfg(feature = "torch")]
mod machine;
#[cfg(feature = "torch")]
mod modules;
#[cfg(feature = "torch")]
mod open;
#[cfg(feature = "torch")]
mod parameters;
#[cfg(feature = "torch")]
mod run;
#[cfg(feature = "torch")]
mod select;
pub mod signature;
#[cfg(feature = "torch")]
mod sketch;
#[cfg(feature = "torch")]
pub(crate) mod tape;
#[cfg(feature = "torch")]
pub(crate) mod tensor;
#[cfg(feature = "torch")]
mod torchscript;

#[cfg(feature = "torch")]
pub use calibrate::{LeftOut, NamedTensors};
#[cfg(feature = "torch")]
pub use gradient::{Differentiable, GradientModel};
pub use layer::LayerInfo;
#[cfg(feature = "torch")]
pub(crate) use machine::{Machine, machine};
#[cfg(feature = "torch")]
pub use modules::ActivationModule;
#[cfg(feature = "torch")]
pub use open::{Model, device_name, libtorch_version};
#[cfg(feature = "torch")]
pub use run::Observed;
