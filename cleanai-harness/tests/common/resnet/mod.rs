//! torchvision's ResNets as scripted TorchScript files with random weights: the same modules in the same order, the same
//! calls, no Python. For tests of large module trees, and for benches.

#![allow(dead_code)] // every target uses its own part

pub mod archive;

use std::io;
use std::path::Path;

use archive::{Archive, Module, OWN, Parts, Storage, Tensor, Value};

/// Where the values of convolutions and of the linear layer come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weights {
    /// All tensors are views of one storage: the file stays small (11 MB for ResNet-152).
    Shared,
    /// Every tensor has values of its own, as large as a trained one's (He initialisation).
    Full,
}

/// Writes ResNet-`depth` (18, 34, 50, 101 or 152) for images of 3 channels and 1000 classes; the same bytes every time.
pub fn write(depth: usize, weights: Weights, path: &Path) -> io::Result<()> {
    let (bottleneck, blocks) = match depth {
        18 => (false, [2, 2, 2, 2]),
        34 => (false, [3, 4, 6, 3]),
        50 => (true, [3, 4, 6, 3]),
        101 => (true, [3, 4, 23, 3]),
        152 => (true, [3, 8, 36, 3]),
        _ => panic!("torchvision has no ResNet-{depth}"),
    };
    let mut builder = Builder::new(weights, depth as u64);
    let root = builder.network(bottleneck, blocks);
    builder.archive.write(&root, path)
}

/// SplitMix64.
#[derive(Clone)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Uniform numbers with mean 0 and this standard deviation.
    fn floats(&mut self, deviation: f32) -> Box<dyn FnMut() -> f32> {
        let mut random = Self(self.next());
        let scale = deviation * 3f32.sqrt() / (1 << 23) as f32;
        Box::new(move || ((random.next() >> 40) as f32 - (1 << 23) as f32) * scale)
    }
}

/// Values of the largest tensor: a 3x3 convolution from 512 to 512 channels.
const LARGEST: usize = 512 * 512 * 9;
/// What the last norm of a block multiplies by: little, so that many blocks in a row do not add up to large values.
const RESIDUAL: f32 = 0.25;

/// Makes the modules that networks of convolutions consist of.
pub struct Builder {
    pub archive: Archive,
    weights: Weights,
    /// The storage of all weights, if they share one.
    shared: Option<usize>,
    random: Random,
}

/// A convolution that keeps the size but for its stride.
#[derive(Clone, Copy)]
pub struct Convolution {
    pub from: i64,
    pub to: i64,
    pub size: i64,
    pub stride: i64,
}

impl Builder {
    /// The same modules for the same seed.
    pub fn new(weights: Weights, seed: u64) -> Self {
        let mut archive = Archive::default();
        archive.functions("torch.nn.functional", FUNCTIONS);
        Self { archive, weights, shared: None, random: Random(seed) }
    }

    fn network(&mut self, bottleneck: bool, blocks: [usize; 4]) -> Module {
        let mut attributes: Vec<(String, Value)> = ["inplanes", "dilation", "groups", "base_width"]
            .into_iter()
            .zip([if bottleneck { 2048 } else { 512 }, 1, 1, 64])
            .map(|(name, value)| (name.to_owned(), Value::Integer(value)))
            .collect();
        let stem = Convolution { from: 3, to: 64, size: 7, stride: 2 };
        let mut square = 1.0;
        let (conv1, bn1) = self.normalised(stem, square, 1.0);
        let mut add = |name: &str, module: Module| attributes.push((name.to_owned(), Value::Module(module)));
        add("conv1", conv1);
        add("bn1", bn1);
        add("relu", self.relu());
        add("maxpool", self.max_pool(3, 1));
        // Of the positive half of a normalised value.
        square = 0.5;
        let mut from = 64;
        for (stage, count) in blocks.into_iter().enumerate() {
            let width = 64 << stage;
            let mut modules = Vec::new();
            for index in 0..count {
                let stride = if stage > 0 && index == 0 { 2 } else { 1 };
                modules.push(self.block(bottleneck, from, width, stride, &mut square));
                from = if bottleneck { 4 * width } else { width };
            }
            add(&format!("layer{}", stage + 1), self.sequential(modules));
        }
        add("avgpool", self.average_pool());
        add("fc", self.linear(from, 1000));
        let calls = ["conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool"];
        let mut inner = String::new();
        for (at, call) in calls.into_iter().enumerate() {
            inner += &format!("    x{} = (self.{call}).forward({}, )\n", at + 1, before(at));
        }
        inner += "    x10 = torch.flatten(x9, 1)\n    return (self.fc).forward(x10, )\n";
        let methods = format!(
            "  def forward(self: {OWN},\n    x: Tensor) -> Tensor:\n    return (self)._forward_impl(x, )\n  \
             def _forward_impl(self: {OWN},\n    x: Tensor) -> Tensor:\n{inner}"
        );
        self.archive.module("torchvision.models.resnet", "ResNet", Parts { attributes, methods, ..Parts::default() })
    }

    /// `square` is the mean square of the block's input, then of its output.
    fn block(&mut self, bottleneck: bool, from: i64, width: i64, stride: i64, square: &mut f32) -> Module {
        let to = if bottleneck { 4 * width } else { width };
        let convolution = |from, to, size, stride| Convolution { from, to, size, stride };
        let convolutions = if bottleneck {
            // torchvision puts the stride on the convolution of 3x3 (ResNet v1.5).
            vec![convolution(from, width, 1, 1), convolution(width, width, 3, stride), convolution(width, to, 1, 1)]
        } else {
            vec![convolution(from, width, 3, stride), convolution(width, to, 3, 1)]
        };
        let short = (stride != 1 || from != to).then(|| {
            let (convolution, norm) = self.normalised(convolution(from, to, 1, stride), *square, 1.0);
            self.sequential(vec![convolution, norm])
        });
        let mut attributes = Vec::new();
        if short.is_none() {
            attributes.push(("downsample".to_owned(), Value::Absent("NoneType")));
        }
        attributes.push(("stride".to_owned(), Value::Integer(stride)));
        let (mut code, mut value, count) = (String::new(), "x".to_owned(), convolutions.len());
        for (index, convolution) in (1..).zip(convolutions) {
            let input = if index == 1 { *square } else { 0.5 };
            let scale = if index == count { RESIDUAL } else { 1.0 };
            let (conv, bn) = self.normalised(convolution, input, scale);
            attributes.push((format!("conv{index}"), Value::Module(conv)));
            attributes.push((format!("bn{index}"), Value::Module(bn)));
            if index == 1 && !bottleneck || index == count && bottleneck {
                attributes.push(("relu".to_owned(), Value::Module(self.relu())));
            }
            code += &format!("    a{index} = (self.conv{index}).forward({value}, )\n");
            code += &format!("    b{index} = (self.bn{index}).forward(a{index}, )\n");
            if index < count {
                code += &format!("    c{index} = (self.relu).forward(b{index}, )\n");
                value = format!("c{index}");
            }
        }
        // Of two normalised values half passes the relu; the input is positive, nearly all of it does.
        *square = 0.5 * RESIDUAL * RESIDUAL + if short.is_some() { 0.5 } else { *square };
        let identity = if let Some(short) = short {
            attributes.push(("downsample".to_owned(), Value::Module(short)));
            code += "    identity = (self.downsample).forward(x, )\n";
            "identity"
        } else {
            "x"
        };
        code += &format!("    sum = torch.add_(b{count}, {identity})\n    return (self.relu).forward(sum, )\n");
        let methods = format!("  def forward(self: {OWN},\n    x: Tensor) -> Tensor:\n{code}");
        let name = if bottleneck { "Bottleneck" } else { "BasicBlock" };
        self.archive.module("torchvision.models.resnet", name, Parts { attributes, methods, ..Parts::default() })
    }

    /// A convolution, and the batch norm that has seen its outputs for inputs of this mean square, with this weight.
    pub fn normalised(&mut self, convolution: Convolution, square: f32, scale: f32) -> (Module, Module) {
        let Convolution { from, to, size, stride } = convolution;
        let inputs = (from * size * size) as f32;
        let (weight, deviation) = self.weight(&[to, from, size, size], (2.0 / inputs).sqrt());
        let padding = size / 2;
        let constants = vec![
            "dilation : Final[Tuple[int, int]] = (1, 1)".to_owned(),
            format!("padding : Final[Tuple[int, int]] = ({padding}, {padding})"),
            format!("kernel_size : Final[Tuple[int, int]] = ({size}, {size})"),
            "output_padding : Final[Tuple[int, int]] = (0, 0)".to_owned(),
            format!("in_channels : Final[int] = {from}"),
            format!("stride : Final[Tuple[int, int]] = ({stride}, {stride})"),
            "padding_mode : Final[str] = \"zeros\"".to_owned(),
            "groups : Final[int] = 1".to_owned(),
            format!("out_channels : Final[int] = {to}"),
        ];
        let methods = format!(
            "  def forward(self: {OWN},\n    input: Tensor) -> Tensor:\n    weight = self.weight\n    bias = self.bias\n    \
             return (self)._conv_forward(input, weight, bias, )\n  def _conv_forward(self: {OWN},\n    input: Tensor,\n    \
             weight: Tensor,\n    bias: Optional[Tensor]) -> Tensor:\n    \
             return torch.conv2d(input, weight, bias, [{stride}, {stride}], [{padding}, {padding}], [1, 1])\n"
        );
        let attributes = vec![
            ("weight".to_owned(), Value::Tensor(weight)),
            ("bias".to_owned(), Value::Absent("Optional[Tensor]")),
            ("transposed".to_owned(), Value::Bool(false)),
            ("_reversed_padding_repeated_twice".to_owned(), Value::Integers(vec![padding; 4])),
        ];
        let parts = Parts { parameters: &["weight", "bias"], buffers: &[], attributes, constants, methods };
        let conv = self.archive.module("torch.nn.modules.conv", "Conv2d", parts);
        (conv, self.batch_norm(to, inputs * deviation * deviation * square, scale))
    }

    fn batch_norm(&mut self, channels: i64, variance: f32, scale: f32) -> Module {
        let mut attributes = Vec::new();
        for (name, value) in [("weight", scale), ("bias", 0.0), ("running_mean", 0.0), ("running_var", variance)] {
            let storage = self.archive.storage(Storage::Floats(vec![value; channels as usize]));
            attributes.push((name.to_owned(), Value::Tensor(Tensor { storage, shape: vec![channels] })));
        }
        let storage = self.archive.storage(Storage::Integers(vec![1]));
        attributes.push(("num_batches_tracked".to_owned(), Value::Tensor(Tensor { storage, shape: Vec::new() })));
        let constants = vec![
            "eps : Final[float] = 1.0000000000000001e-05".to_owned(),
            "affine : Final[bool] = True".to_owned(),
            "track_running_stats : Final[bool] = True".to_owned(),
            format!("num_features : Final[int] = {channels}"),
            "momentum : Final[float] = 0.10000000000000001".to_owned(),
        ];
        let methods = BATCH_NORM.to_owned();
        let parts = Parts {
            parameters: &["weight", "bias"],
            buffers: &["running_mean", "running_var", "num_batches_tracked"],
            attributes,
            constants,
            methods,
        };
        self.archive.module("torch.nn.modules.batchnorm", "BatchNorm2d", parts)
    }

    pub fn linear(&mut self, from: i64, to: i64) -> Module {
        let (weight, _) = self.weight(&[to, from], (1.0 / from as f32).sqrt());
        let bias = self.archive.storage(Storage::Floats(vec![0.0; to as usize]));
        let attributes = vec![
            ("weight".to_owned(), Value::Tensor(weight)),
            ("bias".to_owned(), Value::Tensor(Tensor { storage: bias, shape: vec![to] })),
        ];
        let constants = vec![format!("in_features : Final[int] = {from}"), format!("out_features : Final[int] = {to}")];
        let methods = forward("torch.linear(input, self.weight, self.bias)");
        let parts = Parts { parameters: &["weight", "bias"], buffers: &[], attributes, constants, methods };
        self.archive.module("torch.nn.modules.linear", "Linear", parts)
    }

    /// The weight of this shape and the standard deviation of its values.
    fn weight(&mut self, shape: &[i64], deviation: f32) -> (Tensor, f32) {
        let elements = shape.iter().product::<i64>() as usize;
        let (storage, deviation) = match self.weights {
            Weights::Full => {
                let values = Storage::FloatsOf(elements, self.random.floats(deviation));
                (self.archive.storage(values), deviation)
            }
            // One scale for all; the batch norms behind them make up for it.
            Weights::Shared => {
                const DEVIATION: f32 = 0.02;
                assert!(elements <= LARGEST);
                let shared = self.shared.get_or_insert_with(|| {
                    self.archive.storage(Storage::FloatsOf(LARGEST, self.random.floats(DEVIATION)))
                });
                (*shared, DEVIATION)
            }
        };
        (Tensor { storage, shape: shape.to_vec() }, deviation)
    }

    pub fn sequential(&mut self, modules: Vec<Module>) -> Module {
        let (mut code, count) = (String::new(), modules.len());
        for at in 0..count {
            code += &format!("    x{} = (getattr(self, \"{at}\")).forward({}, )\n", at + 1, before(at));
        }
        let methods = format!(
            "  def forward(self: {OWN},\n    x: Tensor) -> Tensor:\n{code}    return x{count}\n  \
             def __len__(self: {OWN}) -> int:\n    return {count}\n"
        );
        let attributes = modules.into_iter().enumerate();
        let attributes = attributes.map(|(at, module)| (at.to_string(), Value::Module(module))).collect();
        let parts = Parts { attributes, methods, ..Parts::default() };
        self.archive.module("torch.nn.modules.container", "Sequential", parts)
    }

    pub fn relu(&mut self) -> Module {
        let constants = vec!["inplace : Final[bool] = True".to_owned()];
        let methods = forward("__torch__.torch.nn.functional.relu(input, True, )");
        self.archive.module("torch.nn.modules.activation", "ReLU", Parts { constants, methods, ..Parts::default() })
    }

    /// Of this size, every second place.
    pub fn max_pool(&mut self, size: i64, padding: i64) -> Module {
        let numbers = [("kernel_size", size), ("dilation", 1), ("padding", padding), ("stride", 2)];
        let mut constants: Vec<String> =
            numbers.iter().map(|(name, value)| format!("{name} : Final[int] = {value}")).collect();
        constants.extend(["return_indices", "ceil_mode"].map(|name| format!("{name} : Final[bool] = False")));
        let methods = forward(&format!(
            "torch.max_pool2d(input, [{size}, {size}], [2, 2], [{padding}, {padding}], [1, 1], False)"
        ));
        self.archive.module("torch.nn.modules.pooling", "MaxPool2d", Parts { constants, methods, ..Parts::default() })
    }

    pub fn average_pool(&mut self) -> Module {
        let constants = vec!["output_size : Final[Tuple[int, int]] = (1, 1)".to_owned()];
        let methods = forward("torch.adaptive_avg_pool2d(input, [1, 1])");
        let parts = Parts { constants, methods, ..Parts::default() };
        self.archive.module("torch.nn.modules.pooling", "AdaptiveAvgPool2d", parts)
    }
}

/// The variable that holds what came before call `at`.
fn before(at: usize) -> String {
    if at == 0 { "x".to_owned() } else { format!("x{at}") }
}

/// A `forward` that is one expression of `input`.
fn forward(expression: &str) -> String {
    format!("  def forward(self: {OWN},\n    input: Tensor) -> Tensor:\n    return {expression}\n")
}

const BATCH_NORM: &str = "  def forward(self: {class},
    input: Tensor) -> Tensor:
    training = self.training
    if training:
      num_batches_tracked = self.num_batches_tracked
      _0 = torch.add_(num_batches_tracked, 1)
    else:
      pass
    training0 = self.training
    if training0:
      bn_training = True
    else:
      bn_training = False
    return torch.batch_norm(input, self.weight, self.bias, self.running_mean, self.running_var, bn_training, 0.10000000000000001, 1.0000000000000001e-05, True)
";

const FUNCTIONS: &str = "def relu(input: Tensor,
    inplace: bool=False) -> Tensor:
  if inplace:
    result = torch.relu_(input)
  else:
    result = torch.relu(input)
  return result
";
