//! Programs: opened or traced or built value by value, then run.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::ptr;

use tch::Tensor;
use torch_sys::C_tensor;

use super::values::{Token, Tokens};
use super::{RawProgram, Sink, c_string, check, take};
use crate::model::signature::Fed;
use crate::{Error, Result};

type ParameterSink =
    extern "C" fn(context: *mut c_void, name: *const c_char, place: i64, tensor: *mut C_tensor) -> c_int;

unsafe extern "C" {
    fn cleanai_program_free(program: *mut RawProgram);
    fn cleanai_torchscript_open(
        path: *const c_char,
        device: i64,
        keep_state: c_int,
        program: *mut *mut RawProgram,
        description: *mut *mut c_char,
    ) -> *mut c_char;
    fn cleanai_record_start() -> *mut c_char;
    fn cleanai_record_stop(sink: Sink, context: *mut c_void) -> *mut c_char;
    fn cleanai_trace_start(weights: *const *const C_tensor, count: usize, example: *const C_tensor) -> *mut c_char;
    fn cleanai_trace_stop(
        output: *const C_tensor,
        program: *mut *mut RawProgram,
        description: *mut *mut c_char,
    ) -> *mut c_char;
    fn cleanai_program_new(program: *mut *mut RawProgram) -> *mut c_char;
    fn cleanai_program_input(program: *mut RawProgram, bound: *const C_tensor, id: *mut i64) -> *mut c_char;
    fn cleanai_program_constant(
        program: *mut RawProgram,
        kind: c_char,
        integer: i64,
        number: f64,
        string: *const c_char,
        id: *mut i64,
    ) -> *mut c_char;
    fn cleanai_program_list(
        program: *mut RawProgram,
        element: c_char,
        elements: *const i64,
        count: usize,
        id: *mut i64,
    ) -> *mut c_char;
    fn cleanai_program_call(
        program: *mut RawProgram,
        operator_name: *const c_char,
        names: *const *const c_char,
        arguments: *const i64,
        count: usize,
        outputs: *mut i64,
        expected: usize,
    ) -> *mut c_char;
    fn cleanai_program_output(program: *mut RawProgram, id: i64) -> *mut c_char;
    fn cleanai_program_keep(program: *mut RawProgram, id: i64, bound: usize) -> *mut c_char;
    fn cleanai_program_observe(program: *mut RawProgram, wanted: *const i64, count: usize, first: usize)
    -> *mut c_char;
    fn cleanai_program_run(
        program: *mut RawProgram,
        tokens: *const Token,
        count: usize,
        gradients: c_int,
        observed: Sink,
        output: Sink,
        context: *mut c_void,
    ) -> *mut c_char;
    fn cleanai_program_calls(program: *mut RawProgram, description: *mut *mut c_char) -> *mut c_char;
    fn cleanai_program_fix_weights(program: *mut RawProgram) -> *mut c_char;
    fn cleanai_program_parameters(program: *mut RawProgram, sink: ParameterSink, context: *mut c_void) -> *mut c_char;
    fn cleanai_program_to_double(program: *mut RawProgram) -> *mut c_char;
}

/// The number the C++ side knows a value of the graph by.
pub type ValueId = i64;

/// A constant of a graph.
#[derive(Debug, Clone, PartialEq)]
pub enum Constant {
    /// `None`
    None,
    /// An integer.
    Integer(i64),
    /// A floating-point number.
    Number(f64),
    /// A truth value.
    Bool(bool),
    /// A string.
    Text(String),
    /// A device, `cpu` or `cuda:0`.
    Device(String),
}

/// What the elements of a list are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// `int`
    Integer,
    /// `float`
    Number,
    /// `bool`
    Bool,
    /// `Tensor`
    Tensor,
    /// `Optional[Tensor]`
    OptionalTensor,
    /// `str`
    Text,
}

/// A graph that libtorch can run, with the module or the weights it needs.
#[derive(Debug)]
pub struct Program {
    pub(super) raw: *mut RawProgram,
}

// SAFETY: a Program owns its graph, module and interpreter code and shares them with nobody; libtorch's objects may move
// between threads as long as one uses them at a time, which `&mut self` on `run` and `observe` ensures.
unsafe impl Send for Program {}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: `raw` came from engine.cpp and is freed once.
        unsafe { cleanai_program_free(self.raw) }
    }
}

struct Run<'a> {
    observe: &'a mut dyn FnMut(usize, Tensor) -> Result<()>,
    outputs: Vec<Tensor>,
    stopped: Option<Stop>,
}

enum Stop {
    Error(Error),
    Panic(Box<dyn std::any::Any + Send>),
}

/// Runs `body` with the context and tensor of a callback; errors and panics are kept for after the run.
fn deliver(
    context: *mut c_void,
    tensor: *mut C_tensor,
    body: impl FnOnce(&mut Run<'_>, Tensor) -> Result<()>,
) -> c_int {
    // SAFETY: `context` is the `Run` that `Program::run` holds for the length of the call, on this thread, and nothing else borrows it meanwhile.
    let run = unsafe { &mut *context.cast::<Run<'_>>() };
    // SAFETY: the C++ side hands over a tensor made for us by `new`, which is how tch's tensors are made and freed.
    let tensor = unsafe { Tensor::from_ptr(tensor) };
    match catch_unwind(AssertUnwindSafe(|| body(run, tensor))) {
        Ok(Ok(())) => 0,
        Ok(Err(error)) => {
            run.stopped = Some(Stop::Error(error));
            1
        }
        Err(panic) => {
            run.stopped = Some(Stop::Panic(panic));
            1
        }
    }
}

extern "C" fn on_observed(context: *mut c_void, id: i64, tensor: *mut C_tensor) -> c_int {
    deliver(context, tensor, |run, tensor| (run.observe)(usize::try_from(id).unwrap_or(usize::MAX), tensor))
}

extern "C" fn on_output(context: *mut c_void, _id: i64, tensor: *mut C_tensor) -> c_int {
    deliver(context, tensor, |run, tensor| {
        run.outputs.push(tensor);
        Ok(())
    })
}

/// A parameter of a program.
#[derive(Debug)]
pub struct Parameter {
    /// Its name; empty where the program does not know it.
    pub name: String,
    /// Which of the bound inputs it is, or is part of.
    pub place: usize,
    /// What runs read.
    pub tensor: Tensor,
}

extern "C" fn on_parameter(context: *mut c_void, name: *const c_char, place: i64, tensor: *mut C_tensor) -> c_int {
    // SAFETY: `context` is the list that `Program::parameters` holds for the length of the call, and nothing else borrows it meanwhile.
    let parameters = unsafe { &mut *context.cast::<Vec<Parameter>>() };
    // SAFETY: the C++ side hands over a tensor made for us by `new`, and a NUL-terminated name that is valid as long as this call lasts.
    let (tensor, name) = unsafe { (Tensor::from_ptr(tensor), CStr::from_ptr(name)) };
    let Ok(place) = usize::try_from(place) else { return 1 };
    parameters.push(Parameter { name: name.to_string_lossy().into_owned(), place, tensor });
    0
}

impl Program {
    /// Opens a TorchScript module in evaluation mode and gives its inlined `forward` with a description (JSON) of it.
    /// `device` is `None` for the CPU, else the index of a GPU. With `keep_state` a run goes on from the state the last one left.
    pub fn open_torchscript(path: &Path, device: Option<usize>, keep_state: bool) -> Result<(Self, String)> {
        let path = c_string(&path.to_string_lossy())?;
        let (mut raw, mut description) = (ptr::null_mut(), ptr::null_mut());
        let device = device.map_or(-1, |index| index as i64);
        // SAFETY: both out-pointers are valid for the call and are set when it succeeds.
        check(unsafe {
            cleanai_torchscript_open(path.as_ptr(), device, keep_state.into(), &mut raw, &mut description)
        })?;
        let program = Self { raw };
        Ok((program, take(description)))
    }

    /// Traces a function: its graph, with the weights it reads bound in the order given back, and a description (JSON) of it.
    pub fn trace(forward: &mut dyn FnMut(&Tensor) -> Tensor, example: &Tensor) -> Result<(Self, Vec<Tensor>, String)> {
        // SAFETY: no arguments; what is recorded is the C++ side's own and stopped right below.
        check(unsafe { cleanai_record_start() })?;
        let ran = catch_unwind(AssertUnwindSafe(|| tch::no_grad(|| drop(forward(example)))));
        let mut run = Run { observe: &mut |_, _| Ok(()), outputs: Vec::new(), stopped: None };
        let context: *mut Run<'_> = &mut run;
        // SAFETY: `context` outlives the call and only the callback uses it meanwhile.
        let stopped = check(unsafe { cleanai_record_stop(on_output, context.cast()) });
        ran.unwrap_or_else(|panic| resume_unwind(panic));
        stopped?;
        let weights = run.outputs;
        let raw_weights: Vec<*const C_tensor> = weights.iter().map(|weight| weight.as_ptr()).collect();
        // SAFETY: weights and example are live tensors; the C++ side keeps handles of its own.
        check(unsafe { cleanai_trace_start(raw_weights.as_ptr(), raw_weights.len(), example.as_ptr()) })?;
        let ran = catch_unwind(AssertUnwindSafe(|| tch::no_grad(|| forward(example))));
        let output = ran.as_ref().map_or(ptr::null(), |output| output.as_ptr());
        let (mut raw, mut description) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the output is null or a live tensor; both out-pointers are valid and set when a program is made.
        let stopped = check(unsafe { cleanai_trace_stop(output, &mut raw, &mut description) });
        drop(ran.unwrap_or_else(|panic| resume_unwind(panic)));
        stopped?;
        Ok((Self { raw }, weights, take(description)))
    }

    /// An empty graph.
    pub fn new() -> Result<Self> {
        let mut raw = ptr::null_mut();
        // SAFETY: the out-pointer is valid for the call and is set when it succeeds.
        check(unsafe { cleanai_program_new(&mut raw) })?;
        Ok(Self { raw })
    }

    /// Adds a graph input; with a tensor it is bound to it (bound inputs come first).
    pub fn input(&mut self, bound: Option<&Tensor>) -> Result<ValueId> {
        let mut id = 0;
        let bound = bound.map_or(ptr::null(), |tensor| tensor.as_ptr());
        // SAFETY: `bound` is null or a live tensor, which the C++ side copies the handle of.
        check(unsafe { cleanai_program_input(self.raw, bound, &mut id) })?;
        Ok(id)
    }

    /// Adds a constant.
    pub fn constant(&mut self, constant: &Constant) -> Result<ValueId> {
        let (mut integer, mut number, mut text) = (0, 0.0, CString::default());
        let kind = match constant {
            Constant::None => b'n',
            Constant::Integer(value) => {
                integer = *value;
                b'i'
            }
            Constant::Number(value) => {
                number = *value;
                b'd'
            }
            Constant::Bool(value) => {
                integer = i64::from(*value);
                b'b'
            }
            Constant::Text(value) => {
                text = c_string(value)?;
                b's'
            }
            Constant::Device(value) => {
                text = c_string(value)?;
                b'v'
            }
        };
        let mut id = 0;
        // SAFETY: `text` lives through the call.
        check(unsafe { cleanai_program_constant(self.raw, kind as c_char, integer, number, text.as_ptr(), &mut id) })?;
        Ok(id)
    }

    /// Adds a list of these values.
    pub fn list(&mut self, element: Element, elements: &[ValueId]) -> Result<ValueId> {
        let kind = match element {
            Element::Integer => b'i',
            Element::Number => b'd',
            Element::Bool => b'b',
            Element::Tensor => b't',
            Element::OptionalTensor => b'o',
            Element::Text => b's',
        };
        let mut id = 0;
        // SAFETY: the slice is valid for its length.
        check(unsafe { cleanai_program_list(self.raw, kind as c_char, elements.as_ptr(), elements.len(), &mut id) })?;
        Ok(id)
    }

    /// Calls an operator (`aten::conv2d`) with arguments by name; an empty name is positional. Gives `outputs` values.
    pub fn call(&mut self, operator: &str, arguments: &[(String, ValueId)], outputs: usize) -> Result<Vec<ValueId>> {
        let operator = c_string(operator)?;
        let names = arguments.iter().map(|(name, _)| c_string(name)).collect::<Result<Vec<_>>>()?;
        let names: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect::<Vec<_>>();
        let values: Vec<ValueId> = arguments.iter().map(|(_, value)| *value).collect();
        let mut results = vec![0; outputs];
        // SAFETY: names, values and results are valid for the lengths given; the names' strings live through the call.
        check(unsafe {
            cleanai_program_call(
                self.raw,
                operator.as_ptr(),
                names.as_ptr(),
                values.as_ptr(),
                values.len(),
                results.as_mut_ptr(),
                outputs,
            )
        })?;
        Ok(results)
    }

    /// Makes this value the next output.
    pub fn output(&mut self, id: ValueId) -> Result<()> {
        // SAFETY: the C++ side checks the id.
        check(unsafe { cleanai_program_output(self.raw, id) })
    }

    /// Binds what this value is after a run to the bound input of this place for the next; called after the last output is made.
    pub fn keep(&mut self, id: ValueId, bound: usize) -> Result<()> {
        // SAFETY: the C++ side checks the id and the place.
        check(unsafe { cleanai_program_keep(self.raw, id, bound) })
    }

    /// Observes these values in every later run, which hands them over under their index here, counted from `first`.
    pub fn observe(&mut self, values: &[ValueId], first: usize) -> Result<()> {
        // SAFETY: the slice is valid for its length; the C++ side checks the ids.
        check(unsafe { cleanai_program_observe(self.raw, values.as_ptr(), values.len(), first) })
    }

    /// The operator calls as they run (JSON).
    pub fn calls(&mut self) -> Result<String> {
        let mut description = ptr::null_mut();
        // SAFETY: the out-pointer is valid for the call and is set when it succeeds.
        check(unsafe { cleanai_program_calls(self.raw, &mut description) })?;
        Ok(take(description))
    }

    /// Weights take no gradients from now on.
    pub fn fix_weights(&mut self) -> Result<()> {
        // SAFETY: the program is ours alone; tensors of others are bound by another handle, not changed.
        check(unsafe { cleanai_program_fix_weights(self.raw) })
    }

    /// The parameters that runs read, not copies: of a module by their names, else those that are bound by their place.
    pub fn parameters(&self) -> Result<Vec<Parameter>> {
        let mut parameters: Vec<Parameter> = Vec::new();
        let context: *mut Vec<Parameter> = &mut parameters;
        // SAFETY: `context` outlives the call and only the callback uses it meanwhile.
        check(unsafe { cleanai_program_parameters(self.raw, on_parameter, context.cast()) })?;
        Ok(parameters)
    }

    /// Weights, constants and runs are in double precision from now on.
    pub fn make_double(&mut self) -> Result<()> {
        // SAFETY: the program is ours alone.
        check(unsafe { cleanai_program_to_double(self.raw) })
    }

    /// Runs the graph and gives its output tensors, flattened; every observed tensor goes to `observe` when it is computed.
    ///
    /// The tensor shares memory with the running graph: an in-place operator may change it later, so read or copy it at once.
    /// With `gradients` what is handed over can be differentiated by the arguments.
    pub fn run(
        &mut self,
        arguments: &[Fed<&Tensor>],
        gradients: bool,
        observe: &mut dyn FnMut(usize, Tensor) -> Result<()>,
    ) -> Result<Vec<Tensor>> {
        let tokens = Tokens::of(arguments)?;
        let mut run = Run { observe, outputs: Vec::new(), stopped: None };
        let context: *mut Run<'_> = &mut run;
        // SAFETY: tokens point to live tensors and to keys of their own; `context` outlives the call and only the two callbacks use it meanwhile.
        let result = check(unsafe {
            cleanai_program_run(
                self.raw,
                tokens.as_ptr(),
                tokens.len(),
                gradients.into(),
                on_observed,
                on_output,
                context.cast(),
            )
        });
        match run.stopped {
            Some(Stop::Panic(panic)) => resume_unwind(panic),
            Some(Stop::Error(error)) => Err(error),
            None => result.map(|()| run.outputs),
        }
    }
}
