//! The C functions of `engine/engine.cpp`, made safe: errors become [`Error`], handles are owned, panics stay on this side.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::ptr;

use tch::Tensor;
use torch_sys::C_tensor;

use crate::model::signature::Fed;
use crate::{Error, ErrorKind, Result};

#[repr(C)]
struct RawProgram {
    _opaque: [u8; 0],
}

/// One value of an argument, as values.hpp reads it: containers before what they hold.
#[repr(C)]
struct Token {
    kind: i32,
    count: u32,
    tensor: *const C_tensor,
    key: *const c_char,
}

/// Flattens a value into tokens; `keys` keeps the texts they point to.
fn write(value: &Fed<&Tensor>, key: *const c_char, tokens: &mut Vec<Token>, keys: &mut Vec<CString>) -> Result<()> {
    let (kind, count) = match value {
        Fed::Tensor(_) => (0, 0),
        Fed::None => (1, 0),
        Fed::Default => (2, 0),
        Fed::Structure(parts) => (3, parts.len()),
        Fed::List(parts) => (4, parts.len()),
        Fed::Dictionary(entries) => (5, entries.len()),
    };
    let tensor = if let Fed::Tensor(tensor) = value { tensor.as_ptr() } else { ptr::null() };
    let count = u32::try_from(count)
        .map_err(|_| Error::new(ErrorKind::Data, format!("{count} values in one input are more than can be fed")))?;
    tokens.push(Token { kind, count, tensor, key });
    match value {
        Fed::Structure(parts) | Fed::List(parts) => {
            parts.iter().try_for_each(|part| write(part, ptr::null(), tokens, keys))
        }
        Fed::Dictionary(entries) => entries.iter().try_for_each(|(name, part)| {
            let name = c_string(name)?;
            // The text lies on the heap: moving its owner into `keys` does not move it.
            let key = name.as_ptr();
            keys.push(name);
            write(part, key, tokens, keys)
        }),
        Fed::Tensor(_) | Fed::None | Fed::Default => Ok(()),
    }
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

type StepSink = extern "C" fn(
    context: *mut c_void,
    id: i64,
    computed: *mut C_tensor,
    value: *mut C_tensor,
    sources: *const i64,
    count: usize,
) -> c_int;

type ParameterSink =
    extern "C" fn(context: *mut c_void, name: *const c_char, place: i64, tensor: *mut C_tensor) -> c_int;

type Sink = extern "C" fn(context: *mut c_void, id: i64, tensor: *mut C_tensor) -> c_int;

unsafe extern "C" {
    fn cleanai_libtorch_version() -> *const c_char;
    fn cleanai_text_free(text: *mut c_char);
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
    fn cleanai_leads_to(computed: *const C_tensor, leaf: *const C_tensor, leads: *mut c_int) -> *mut c_char;
    fn cleanai_program_parameters(program: *mut RawProgram, sink: ParameterSink, context: *mut c_void) -> *mut c_char;
    fn cleanai_program_to_double(program: *mut RawProgram) -> *mut c_char;
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

/// Takes the error text of a call; the first paragraph is what libtorch has to say, the rest is its own backtrace.
fn check(text: *mut c_char) -> Result<()> {
    if text.is_null() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Model, take(text).trim_end().to_owned()))
}

fn take(text: *mut c_char) -> String {
    // SAFETY: every text of engine.cpp is a NUL-terminated malloc'ed string that is ours to free, exactly once, here.
    unsafe {
        let owned = CStr::from_ptr(text).to_string_lossy().into_owned();
        cleanai_text_free(text);
        owned
    }
}

/// Version of the libtorch whose headers the C++ side was compiled with, `2.13.0`.
pub fn version() -> String {
    // SAFETY: a constant, NUL-terminated string.
    unsafe { CStr::from_ptr(cleanai_libtorch_version()) }.to_string_lossy().into_owned()
}

fn c_string(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::new(ErrorKind::Model, format!("{text:?} has a NUL byte in it")))
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
    raw: *mut RawProgram,
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

    /// Runs the graph and keeps every observed tensor: one step for each, in the order of the run. `roles` tells for each observer how tensors
    /// are kept, from the observer `first` on; a step's observer is counted from there.
    pub fn tape(&mut self, arguments: &[Fed<&Tensor>], roles: &[Role], first: usize) -> Result<Vec<Step>> {
        let (mut tokens, mut keys) = (Vec::new(), Vec::new());
        for argument in arguments {
            write(argument, ptr::null(), &mut tokens, &mut keys)?;
        }
        let roles: Vec<u8> = roles.iter().map(|role| *role as u8).collect();
        let mut steps: Vec<Step> = Vec::new();
        let context: *mut Vec<Step> = &mut steps;
        // SAFETY: tokens hold live tensors, and keys that `keys` owns; the roles are valid for their length; `context` outlives the call and only the
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
        let (mut tokens, mut keys) = (Vec::new(), Vec::new());
        for argument in arguments {
            write(argument, ptr::null(), &mut tokens, &mut keys)?;
        }
        let mut run = Run { observe, outputs: Vec::new(), stopped: None };
        let context: *mut Run<'_> = &mut run;
        // SAFETY: tokens hold live tensors, and keys that `keys` owns; `context` outlives the call and only the two callbacks use it meanwhile.
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
