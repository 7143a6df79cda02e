//! The function the attribute stands on.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Attribute, Error, FnArg, GenericParam, ItemFn, Meta, Result, Token, Type, parse_quote};

/// The function, what is to be known of it, and everything that is wrong with it.
pub struct Function {
    /// The function without `#[ignore]`.
    pub item: ItemFn,
    /// Its `#[cfg]`s, for what is emitted beside it.
    pub cfgs: Vec<Attribute>,
    /// When it is ignored: `true`, or the predicates of `#[cfg_attr(…, ignore)]`.
    pub ignored: Vec<TokenStream>,
    pub errors: Vec<Error>,
}

impl Function {
    /// Reads the item the attribute stands on.
    pub fn parse(item: TokenStream) -> Result<Self> {
        let mut item: ItemFn = syn::parse2(item.clone())
            .map_err(|_| Error::new_spanned(item, "`#[coverage]` goes on a function: `fn lenet5() {}`"))?;
        let mut function = Self { cfgs: Vec::new(), ignored: Vec::new(), errors: check(&item), item: item.clone() };
        item.attrs = item.attrs.into_iter().filter_map(|attribute| function.keep(attribute)).collect();
        function.item = item;
        Ok(function)
    }

    /// Whether it is to run after the measurement.
    pub fn has_body(&self) -> bool {
        !(self.item.block.stmts.is_empty() && self.item.sig.inputs.is_empty())
    }

    /// Takes in what an attribute says; gives it back if it stays on the function.
    fn keep(&mut self, attribute: Attribute) -> Option<Attribute> {
        let path = attribute.path();
        if path.is_ident("ignore") {
            self.ignored.push(quote::quote!(true));
            return None;
        }
        if path.is_ident("cfg") {
            self.cfgs.push(attribute.clone());
        } else if path.is_ident("cfg_attr") {
            return self.keep_conditional(attribute);
        } else if path.is_ident("test") || path.is_ident("should_panic") {
            let name = path.to_token_stream();
            self.errors.push(Error::new_spanned(
                &attribute,
                format!("`#[{name}]` does not go with `#[coverage]`, which makes a test of its own"),
            ));
        }
        Some(attribute)
    }

    /// `#[cfg_attr(predicate, ignore, …)]`: takes the `ignore` out.
    fn keep_conditional(&mut self, attribute: Attribute) -> Option<Attribute> {
        let Meta::List(list) = &attribute.meta else { return Some(attribute) };
        let Ok(metas) = Punctuated::<Meta, Token![,]>::parse_terminated.parse2(list.tokens.clone()) else {
            return Some(attribute);
        };
        let mut metas = metas.into_iter();
        let Some(predicate) = metas.next() else { return Some(attribute) };
        let (ignores, rest): (Vec<_>, Vec<_>) = metas.partition(|meta| meta.path().is_ident("ignore"));
        if !ignores.is_empty() {
            self.ignored.push(quote::quote!(::core::cfg!(#predicate)));
        }
        let cfgs: Vec<_> = rest.iter().filter(|meta| meta.path().is_ident("cfg")).collect();
        if !cfgs.is_empty() {
            self.cfgs.push(parse_quote!(#[cfg_attr(#predicate, #(#cfgs),*)]));
        }
        (!rest.is_empty()).then(|| parse_quote!(#[cfg_attr(#predicate, #(#rest),*)]))
    }
}

/// Everything that makes a function unfit to be called by the harness.
fn check(item: &ItemFn) -> Vec<Error> {
    let signature = &item.sig;
    let mut errors = Vec::new();
    let mut refuse =
        |tokens: &dyn ToTokens, message: &str| errors.push(Error::new_spanned(tokens.to_token_stream(), message));
    if let Some(keyword) = &signature.asyncness {
        refuse(keyword, "a coverage test is not `async`: its body sees a finished measurement");
    }
    if let Some(keyword) = &signature.unsafety {
        refuse(keyword, "a coverage test is not `unsafe`: the harness calls it");
    }
    if let Some(abi) = &signature.abi {
        refuse(abi, "a coverage test is a Rust function");
    }
    for parameter in &signature.generics.params {
        if !matches!(parameter, GenericParam::Lifetime(_)) {
            refuse(parameter, "a coverage test is not generic: nothing would choose its types");
        }
    }
    if let Some(second) = signature.inputs.iter().nth(1) {
        refuse(second, "a coverage test takes nothing or one parameter, `&Measurement`");
    }
    match signature.inputs.first() {
        Some(FnArg::Receiver(receiver)) => refuse(receiver, "a coverage test is a free function, not a method"),
        Some(FnArg::Typed(argument)) => {
            let shared = matches!(&*argument.ty, Type::Reference(reference) if reference.mutability.is_none());
            // A macro's own types arrive wrapped in an invisible group; the compiler judges those.
            if !shared && !matches!(&*argument.ty, Type::Group(_) | Type::Macro(_)) {
                refuse(&argument.ty, "the body's parameter is `&Measurement`");
            }
        }
        None => {}
    }
    errors
}
