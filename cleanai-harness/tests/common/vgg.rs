//! torchvision's VGG16 with batch norm, made for images of 32x32 and 10 classes as is usual for CIFAR-10: one linear layer behind the
//! convolutions, which have no biases. A scripted TorchScript file with random weights, for benches.

use std::io;
use std::path::Path;

use crate::resnet::archive::{OWN, Parts, Value};
use crate::resnet::{Builder, Convolution, Weights};

/// Channels of the convolutions; a pool lies behind each group.
const GROUPS: [&[i64]; 5] = [&[64, 64], &[128, 128], &[256, 256, 256], &[512, 512, 512], &[512, 512, 512]];

/// Writes the network; the same bytes every time.
pub fn write(path: &Path) -> io::Result<()> {
    let mut builder = Builder::new(Weights::Full, 16);
    let mut features = Vec::new();
    // The mean square of what a convolution reads: normalised values, of which the relu keeps the positive half.
    let (mut from, mut square) = (3, 1.0);
    for group in GROUPS {
        for &to in group {
            let (convolution, norm) = builder.normalised(Convolution { from, to, size: 3, stride: 1 }, square, 1.0);
            features.extend([convolution, norm, builder.relu()]);
            (from, square) = (to, 0.5);
        }
        features.push(builder.max_pool(2, 0));
    }
    let features = builder.sequential(features);
    let modules =
        [("features", features), ("avgpool", builder.average_pool()), ("classifier", builder.linear(from, 10))];
    let attributes = modules.into_iter().map(|(name, module)| (name.to_owned(), Value::Module(module))).collect();
    let methods = format!(
        "  def forward(self: {OWN},\n    x: Tensor) -> Tensor:\n    x1 = (self.features).forward(x, )\n    \
         x2 = (self.avgpool).forward(x1, )\n    x3 = torch.flatten(x2, 1)\n    return (self.classifier).forward(x3, )\n"
    );
    let parts = Parts { attributes, methods, ..Parts::default() };
    let root = builder.archive.module("torchvision.models.vgg", "VGG", parts);
    builder.archive.write(&root, path)
}
