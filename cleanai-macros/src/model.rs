//! `#[model]`: registers a function that builds a model.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::parse::Parser;
use syn::{FnArg, ItemFn, Path, ReturnType, Token, parse_quote};

/// The function and its registration.
pub fn expand(arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let function: ItemFn = syn::parse2(item)
        .map_err(|error| syn::Error::new(error.span(), "#[model] stands on a function that builds a model"))?;
    let krate = krate(arguments)?;
    let signature = &function.sig;
    if let Some(word) = &signature.asyncness {
        return Err(syn::Error::new_spanned(word, "a model's constructor cannot be async"));
    }
    if !signature.generics.params.is_empty() {
        return Err(syn::Error::new_spanned(&signature.generics, "a model's constructor cannot be generic"));
    }
    if matches!(signature.output, ReturnType::Default) {
        return Err(syn::Error::new_spanned(
            signature,
            "a model's constructor returns `Result<Model, E>`, where E can be displayed",
        ));
    }
    let name = signature.ident.unraw().to_string();
    let ident = &signature.ident;
    let call = match signature.inputs.iter().collect::<Vec<_>>()[..] {
        [] => quote!(#ident()),
        [FnArg::Typed(_)] => quote!(#ident(device)),
        [first, ..] => {
            return Err(syn::Error::new_spanned(
                first,
                "a model's constructor takes nothing or the device: `tch::Device`",
            ));
        }
    };
    let cfgs = function.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg"));
    Ok(quote! {
        #[allow(dead_code)]
        #function
        #(#cfgs)*
        const _: () = {
            #krate::private::inventory::submit! {
                #krate::private::ModelRegistration {
                    name: #name,
                    file: ::core::file!(),
                    line: ::core::line!(),
                    build: |device: #krate::private::Device| {
                        let _ = device;
                        #call.map_err(|error| #krate::private::format!("{error}"))
                    },
                }
            }
        };
    })
}

/// `crate = path`, where cleanai-harness is re-exported.
fn krate(arguments: TokenStream) -> syn::Result<Path> {
    if arguments.is_empty() {
        return Ok(parse_quote!(::cleanai_harness));
    }
    let parser = |input: syn::parse::ParseStream<'_>| {
        input.parse::<Token![crate]>().map_err(|error| {
            syn::Error::new(
                error.span(),
                "#[model] takes nothing, or `crate = path` where cleanai-harness is re-exported",
            )
        })?;
        input.parse::<Token![=]>()?;
        Path::parse_mod_style(input)
    };
    parser.parse2(arguments)
}
