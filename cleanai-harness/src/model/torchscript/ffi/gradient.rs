//! What it takes to differentiate a run: its tape, and what its steps are worth to their sources.

use std::ffi::{c_char, c_int, c_void};

use tch::Tensor;
use torch_sys::C_tensor;

use super::program::Program;
use super::values::{Token, Tokens};
use super::{RawProgram, Sink, check};
use crate::Result;
use crate::model::signature::Fed;

type StepSink = extern "C" fn(
    context: *mut c_void,
    id: i64,
    computed: *mut C_tensor,
    value: *mut C_tensor,
    sources: *const i64,
    count: usize,
) -> c_int;

unsafe extern "C" {
    fn cleanai_leads_to(computed: *const C_tensor, leaf: *const C_tensor, leads: *mut c_int) -> *mut c_char;
    fn cleanai_program_tape(
        program: *mut RawProgram,
        tokens: *const Token,
        count: usize,
        roles: *const u8,
        observers: usize,
        first: usize,
        step: StepSink,
        context: *mut c_void,
    ) -> *mut c_char;
    fn cleanai_vector_jacobian(
        computed: *const C_tensor,
        cotangent: *const C_tensor,
        sources: *const *const C_tensor,
        count: usize,
        keep: c_int,
        differentiable: c_int,
        sink: Sink,
        context: *mut c_void,
    ) -> *mut c_char;
    fn cleanai_sole_doubles(tensor: *const C_tensor) -> *mut f64;
}

/// How a tensor is kept, as tape.hpp has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// A value that depends on the input.
    Value = 0,
    /// The same, and an operator that reads it changes it in place.
    Changed = 1,
    /// It does not depend on the input.
    Weight = 2,
}

/// A tensor of a run that is kept.
#[derive(Debug)]
pub struct Step {
    /// Index of the value that was observed.
    pub observer: usize,
    /// What was computed; as a function of its sources it can be differentiated.
    pub computed: Tensor,
    /// The same numbers, apart from what they were computed from; none for a weight.
    pub value: Option<Tensor>,
    /// Indices of the steps it was computed from.
    pub sources: Vec<usize>,
}

impl Program {
    /// Runs the graph and keeps every observed tensor: one step for each, in the order of the run. `roles` tells for each observer how tensors
    /// are kept, from the observer `first` on; a step's observer is counted from there.
    pub fn tape(&mut self, arguments: &[Fed<&Tensor>], roles: &[Role], first: usize) -> Result<Vec<Step>> {
        let tokens = Tokens::of(arguments)?;
        let roles: Vec<u8> = roles.iter().map(|role| *role as u8).collect();
        let mut steps: Vec<Step> = Vec::new();
        let context: *mut Vec<Step> = &mut steps;
        // SAFETY: tokens point to live tensors and to keys of their own; the roles are valid for their length; `context` outlives the call and only the
        // callback uses it meanwhile.
        check(unsafe {
            cleanai_program_tape(
                self.raw,
                tokens.as_ptr(),
                tokens.len(),
                roles.as_ptr(),
                roles.len(),
                first,
                on_step,
                context.cast(),
            )
        })?;
        Ok(steps)
    }
}

extern "C" fn on_step(
    context: *mut c_void,
    id: i64,
    computed: *mut C_tensor,
    value: *mut C_tensor,
    sources: *const i64,
    count: usize,
) -> c_int {
    // SAFETY: `context` is the list that `Program::tape` holds for the length of the call, on this thread, and nothing else borrows it meanwhile.
    let steps = unsafe { &mut *context.cast::<Vec<Step>>() };
    // SAFETY: the C++ side hands over tensors made for us by `new`, the second of them null for a weight.
    let (computed, value) =
        unsafe { (Tensor::from_ptr(computed), (!value.is_null()).then(|| Tensor::from_ptr(value))) };
    let sources: Vec<usize> = match count {
        0 => Vec::new(),
        // SAFETY: the row of indices is valid for its length as long as this call lasts.
        _ => unsafe { std::slice::from_raw_parts(sources, count) }
            .iter()
            .filter_map(|index| usize::try_from(*index).ok())
            .collect(),
    };
    steps.push(Step { observer: usize::try_from(id).unwrap_or(usize::MAX), computed, value, sources });
    0
}

/// The product of a cotangent with the Jacobian of `computed` by each of `sources`; none for one it does not depend on.
/// With `keep` it can be asked again; with `differentiable` the products can be differentiated by the cotangent.
pub fn vector_jacobian(
    computed: &Tensor,
    cotangent: &Tensor,
    sources: &[&Tensor],
    keep: bool,
    differentiable: bool,
) -> Result<Vec<Option<Tensor>>> {
    let raw: Vec<*const C_tensor> = sources.iter().map(|source| source.as_ptr()).collect();
    let mut products: Vec<Option<Tensor>> = sources.iter().map(|_| None).collect();
    let context: *mut Vec<Option<Tensor>> = &mut products;
    // SAFETY: all tensors live through the call; `context` outlives it and only the callback uses it meanwhile.
    check(unsafe {
        cleanai_vector_jacobian(
            computed.as_ptr(),
            cotangent.as_ptr(),
            raw.as_ptr(),
            raw.len(),
            keep.into(),
            differentiable.into(),
            on_product,
            context.cast(),
        )
    })?;
    Ok(products)
}

extern "C" fn on_product(context: *mut c_void, id: i64, tensor: *mut C_tensor) -> c_int {
    // SAFETY: `context` is the list that `vector_jacobian` holds for the length of the call, and nothing else borrows it meanwhile.
    let products = unsafe { &mut *context.cast::<Vec<Option<Tensor>>>() };
    // SAFETY: the C++ side hands over a tensor made for us by `new`.
    let tensor = unsafe { Tensor::from_ptr(tensor) };
    match usize::try_from(id).ok().and_then(|at| products.get_mut(at)) {
        Some(product) => {
            *product = Some(tensor);
            0
        }
        None => 1,
    }
}

/// The values of a tensor of f64 that lie one after the other in main memory, to be changed; none where something else holds them too.
pub fn sole_doubles(tensor: &mut Tensor) -> Option<&mut [f64]> {
    // SAFETY: the tensor lives through the call, which only looks at it.
    let values = unsafe { cleanai_sole_doubles(tensor.as_ptr()) };
    if values.is_null() {
        return None;
    }
    // SAFETY: the C++ side has looked that there are `numel` contiguous f64 in main memory, which no other tensor shares, and that this handle is the
    // only one of its tensor; it is borrowed for as long as the slice is.
    Some(unsafe { std::slice::from_raw_parts_mut(values, tensor.numel()) })
}

/// Whether a tensor can be differentiated by a leaf: the way back leads through operators that have a derivative.
pub fn leads_to(computed: &Tensor, leaf: &Tensor) -> Result<bool> {
    let mut leads = 0;
    // SAFETY: both tensors and the out-pointer are valid for the call.
    check(unsafe { cleanai_leads_to(computed.as_ptr(), leaf.as_ptr(), &mut leads) })?;
    Ok(leads != 0)
}
