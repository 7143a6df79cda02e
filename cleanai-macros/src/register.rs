//! What the attribute emits beside the function: one registration.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{FnArg, Path, ReturnType, parse_quote};

use crate::arguments::Arguments;
use crate::function::Function;

/// One `inventory::submit!`, in a nameless constant so that nothing enters the user's namespace.
pub fn registration(arguments: &Arguments, function: &Function) -> TokenStream {
    let krate: Path = arguments.krate.clone().unwrap_or_else(|| parse_quote!(::cleanai_harness));
    let private = quote!(#krate::private);
    let cfgs = &function.cfgs;
    let name = function.item.sig.ident.unraw().to_string();
    let model = &arguments.model;
    let requirements = arguments.requirements.iter().map(|requirement| requirement.text());
    // Where each stands in the source: the built-in macros tell it of the tokens they are called from.
    let places =
        arguments.requirements.iter().map(|one| quote_spanned!(one.span=> (::core::line!(), ::core::column!())));
    let against = optional(&arguments.against);
    let data = optional(&arguments.data);
    let layers = optional(&arguments.layers);
    let device = optional(&arguments.device);
    let batch = optional(&arguments.batch);
    let neurons = optional(&arguments.neurons.as_deref().map(|kind| match kind {
        "unit" => quote!(#private::NeuronKind::Unit),
        _ => quote!(#private::NeuronKind::Channel),
    }));
    let non_finite = optional(&arguments.non_finite.as_deref().map(|choice| match choice {
        "ignore" => quote!(#private::NonFinite::Ignore),
        _ => quote!(#private::NonFinite::Error),
    }));
    let ignored = &function.ignored;
    let body = body(&private, function);
    quote! {
        #(#cfgs)*
        // A body that returns nothing is turned into a result like any other.
        #[allow(clippy::unit_arg)]
        const _: () = {
            #private::inventory::submit! {
                #private::Registration {
                    name: #name,
                    module_path: ::core::module_path!(),
                    file: ::core::file!(),
                    line: ::core::line!(),
                    column: ::core::column!(),
                    manifest_dir: ::core::env!("CARGO_MANIFEST_DIR"),
                    package: ::core::env!("CARGO_PKG_NAME"),
                    target: ::core::env!("CARGO_CRATE_NAME"),
                    model: #model,
                    against: #against,
                    requirements: &[#(#requirements),*],
                    places: &[#(#places),*],
                    data: #data,
                    layers: #layers,
                    neurons: #neurons,
                    batch: #batch,
                    device: #device,
                    non_finite: #non_finite,
                    ignored: false #(|| #ignored)*,
                    body: #body,
                    assert_snapshot: |name, text| #private::insta::assert_snapshot!(name, text),
                }
            }
        };
    }
}

fn optional(value: &Option<impl quote::ToTokens>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}

/// The function as `fn(&Measurement) -> Result<(), Failed>`. Its own types are checked where the user wrote them.
fn body(private: &TokenStream, function: &Function) -> TokenStream {
    if !function.has_body() {
        return quote!(::core::option::Option::None);
    }
    let signature = &function.item.sig;
    // Hygienic, so that a function named `measurement` is not shadowed by it.
    let measurement = Ident::new("measurement", Span::mixed_site());
    let returned = match &signature.output {
        ReturnType::Type(_, returned) => returned.span(),
        ReturnType::Default => signature.ident.span(),
    };
    let mut called = signature.ident.clone();
    called.set_span(called.span().located_at(returned));
    let call = match signature.inputs.first() {
        Some(FnArg::Typed(argument)) => {
            let mut given = measurement.clone();
            given.set_span(given.span().located_at(argument.ty.span()));
            quote_spanned!(returned=> #called(#given))
        }
        _ => quote_spanned!(returned=> #called()),
    };
    let result = quote_spanned!(returned=> #private::IntoBodyResult::into_body_result(#call));
    quote!(::core::option::Option::Some(|#measurement: &#private::Measurement| #result))
}
