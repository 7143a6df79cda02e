//! The crate that ships the digit classifier: a LeNet-5 for 28x28 grey pictures of handwritten digits.
//!
//! The model is `models/lenet5.pt` (TorchScript) and `models/lenet5.pt2` (torch.export), the pictures it was trained on
//! and judged by lie in `data/train` and `data/test`, one folder per digit. `tests/coverage.rs` and `cleanai.toml` say
//! how thoroughly the test pictures must exercise the model before it may be released; `cargo test` holds it to that.
