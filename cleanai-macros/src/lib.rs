//! The attributes of cleanai-harness, `#[coverage]` and `#[model]`. The first parses, points errors at the right token and emits one
//! registration. What the requirements mean is decided by cleanai-harness.

mod arguments;
mod digest;
mod function;
mod model;
mod names;
mod nearest;
mod register;
mod requirement;
mod value;

use proc_macro::TokenStream;
use quote::quote;

/// Declares a coverage test.
///
/// ```text
/// #[cleanai::coverage(model = "lenet5.pt", nc >= 0.4, kmnc(k = 100)@conv2 >= 0.2)]
/// fn lenet5() {}
/// ```
///
/// It is written with a path, because the bare name `coverage` is reserved for a built-in attribute of the compiler, and
/// importing this one does not take its place; the prelude names the crate `cleanai`.
///
/// The arguments, in any order:
/// - `model = "…"`: a key of `[models]` in `cleanai.toml`, or a path to a model. Required.
/// - `against = "…"`: another model, measured on the same data, which requirements may compare with.
/// - any number of requirements: `criterion[(name = value, …)][@layers][.figure] op bound`, where `op` is one of `>=`,
///   `>`, `<=`, `<`, `bound` is a number, `baseline` or `against`, the latter two with `- 0.01`, `+ 0.01` or `* 0.98`
///   behind them or without, `.figure` is `.covered`, `.uncovered`, `.per_class(min)`, `.per_layer(min)` (or `max`,
///   `mean`) or a figure of the criterion's own, such as `.auroc`, and `@layers` is a layer's name, a glob (`@layer4.*`), `class:ReLU`, `penultimate` or `logits`;
///   quoted where Rust reads the text otherwise, as in `@"layer4/*"` and `@"relu#2"`. Criteria of other crates carry
///   their namespace: `acme::spread >= 0.1`. A figure alone is one of the criterion before it:
///   `kmnc(k = 100) >= 0.8, per_class(min) >= 0.6, uncovered <= 12`.
/// - `data = "…"`: a key of `[data]`.
/// - `layers = "…"`, `neurons = "channel" | "unit"`, `batch = 64`, `device = "auto" | "cpu" | "cuda" | "cuda:1"`,
///   `non_finite = "error" | "ignore"`: what the criteria see and how the model runs.
/// - `crate = path`: where cleanai-harness is, if it is re-exported.
///
/// What the attribute leaves open comes from `[tests.NAME]` and `[defaults]` of `cleanai.toml`.
///
/// The function takes nothing or `&Measurement`, and returns nothing or a `Result<(), E>` whose error can be displayed;
/// unless it is empty it runs after the measurement. `#[ignore]` and `#[cfg]` work as they do on tests.
#[proc_macro_attribute]
pub fn coverage(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let arguments = arguments::parse(arguments.into());
    errors.extend(arguments.errors.iter().cloned());
    let function = match function::Function::parse(item.clone().into()) {
        Ok(function) => function,
        Err(error) => {
            errors.push(error);
            let item = proc_macro2::TokenStream::from(item);
            let errors = errors.to_compile_error();
            return quote!(#item #errors).into();
        }
    };
    // The function stays even where something is wrong, so that its callers do not fail too.
    let item = &function.item;
    errors.extend(function.errors.iter().cloned());
    let registration = match errors.to_compile_error() {
        errors if !errors.is_empty() => errors,
        _ => register::registration(&arguments, &function),
    };
    quote!(#[allow(dead_code)] #item #registration).into()
}

/// Registers a function that builds a model in Rust under the function's name, so that a test can name it.
///
/// ```text
/// #[cleanai::model]
/// fn lenet5(device: tch::Device) -> cleanai::Result<Model> {
///     let mut store = nn::VarStore::new(device);
///     let net = Net::new(&store.root());
///     store.load("lenet5.safetensors")?;
///     Model::from_module(&store, |x| net.forward(x), &Tensor::zeros([2, 1, 28, 28], (Kind::Float, device)))
/// }
///
/// #[cleanai::coverage(model = "lenet5", nc >= 0.4)]
/// fn digits() {}
/// ```
///
/// The function takes nothing or the device the test runs on, and returns `Result<Model, E>` whose error can be displayed.
/// `[models.NAME]` of `cleanai.toml` may name it by `function = "lenet5"` in place of `path`.
#[proc_macro_attribute]
pub fn model(arguments: TokenStream, item: TokenStream) -> TokenStream {
    match model::expand(arguments.into(), item.clone().into()) {
        Ok(tokens) => tokens.into(),
        Err(error) => {
            let (item, error) = (proc_macro2::TokenStream::from(item), error.to_compile_error());
            quote!(#item #error).into()
        }
    }
}

/// Everything that is wrong, reported at once.
#[derive(Default)]
struct Errors(Vec<syn::Error>);

impl Errors {
    fn push(&mut self, error: syn::Error) {
        self.0.push(error);
    }

    fn extend(&mut self, errors: impl IntoIterator<Item = syn::Error>) {
        self.0.extend(errors);
    }

    fn to_compile_error(&self) -> proc_macro2::TokenStream {
        self.0.iter().map(syn::Error::to_compile_error).collect()
    }
}

/// Tells builds apart: a hash over the sources of the crate that is being compiled, programs in `src/bin` left out, as
/// a text. It is taken whenever the crate is compiled, which is whenever one of them changes.
#[doc(hidden)]
#[proc_macro]
pub fn source_digest(_: TokenStream) -> TokenStream {
    let text = digest::of_sources();
    quote!(#text).into()
}
