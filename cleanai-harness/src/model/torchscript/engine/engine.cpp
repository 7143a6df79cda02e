// What libtorch offers only in C++: opening a TorchScript module and inlining its graph, building a graph operator by
// operator, inserting observers into it, and running it on libtorch's own interpreter. Everything else is Rust.
//
// Every function returns null or an error text to be freed with cleanai_text_free; no exception leaves this file.

#include <torch/version.h>

#include <unordered_set>

#include "describe.hpp"
#include "gradient.hpp"
#include "lower.hpp"
#include "program.hpp"
#include "tape.hpp"
#include "trace.hpp"
#include "values.hpp"

extern "C" {

const char* cleanai_libtorch_version() {
  return TORCH_VERSION;
}

void cleanai_text_free(char* text) {
  std::free(text);
}

void cleanai_program_free(Program* program) {
  delete program;
}

// device: -1 is the CPU, else the index of a GPU. keep_state: runs go on from the state the last one left.
char* cleanai_torchscript_open(const char* path, int64_t device, int keep_state, Program** program_out, char** description) {
  return guarded([&] {
    register_observe();
    c10::Device where = device < 0 ? c10::Device(c10::kCPU) : c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(device));
    // Without the debug files: they only point into the sources of whoever exported, and nothing checks them.
    Module module = torch::jit::load(path, where, /*load_debug_files=*/false);
    module.eval();
    auto program = std::make_unique<Program>();
    Function& forward = module.get_method("forward").function();
    program->graph = toGraphFunction(forward).graph()->copy();
    program->bound.emplace_back(module._ivalue());
    const auto& arguments = forward.getSchema().arguments();
    for (size_t i = 1; i < arguments.size(); ++i) program->defaults.push_back(arguments[i].default_value());
    std::unordered_map<Value*, std::string> paths;
    paths.emplace(program->graph->inputs().at(0), "");
    Origin root{"", module.type()->name() ? module.type()->name()->qualifiedName() : std::string()};
    for (Node* node : program->graph->nodes()) mark(*program, node, root);
    inline_calls(*program, program->graph->block(), paths, 0);
    ConstantPropagation(program->graph);
    move_to(*program->graph, where);
    EliminateDeadCode(program->graph);
    program->keep_state = keep_state != 0;
    if (changes_state(program->graph)) program->fresh = copy_state(program->bound[0]);
    *description = text(describe(*program, &module));
    *program_out = program.release();
  });
}

// Until it is stopped, every weight that operators of this thread read is noted.
char* cleanai_record_start() {
  return guarded([&] { start_recording(); });
}

// Hands over the weights that were noted, under their index.
char* cleanai_record_stop(Sink sink, void* context) {
  return guarded([&] {
    int64_t index = 0;
    for (const at::Tensor& weight : stop_recording()) {
      if (sink(context, index++, new at::Tensor(weight)) != 0) throw std::runtime_error("cleanai: the caller stopped");
    }
  });
}

// Until it is stopped, what operators of this thread compute from weights and example is written down.
char* cleanai_trace_start(const at::Tensor* const* weights, size_t count, const at::Tensor* example) {
  return guarded([&] {
    register_observe();
    std::vector<at::Tensor> all;
    for (size_t i = 0; i < count; ++i) all.push_back(*weights[i]);
    start_tracing(all, *example);
  });
}

// Without an output the trace is thrown away.
char* cleanai_trace_stop(const at::Tensor* output, Program** program_out, char** description) {
  return guarded([&] {
    if (output == nullptr) return abandon_tracing();
    try {
      std::unique_ptr<Program> program = stop_tracing(*output);
      *description = text(describe(*program, nullptr));
      *program_out = program.release();
    } catch (...) {
      abandon_tracing();
      throw;
    }
  });
}

char* cleanai_program_new(Program** program_out) {
  return guarded([&] {
    register_observe();
    auto program = std::make_unique<Program>();
    program->graph = std::make_shared<Graph>();
    *program_out = program.release();
  });
}

// A graph input. With a tensor it is bound (a weight), and all bound inputs come before the others.
char* cleanai_program_input(Program* program, const at::Tensor* bound, int64_t* id) {
  return guarded([&] {
    Value* value = program->graph->addInput();
    value->setType(TensorType::get());
    if (bound != nullptr) {
      TORCH_CHECK(program->bound.size() + 1 == program->graph->inputs().size(), "bound inputs come first");
      program->bound.emplace_back(*bound);
    }
    *id = remember(*program, value);
  });
}

// kind: 'n' none, 'i' integer, 'd' double, 'b' bool, 's' string, 'v' device.
char* cleanai_program_constant(Program* program, char kind, int64_t integer, double number, const char* string, int64_t* id) {
  return guarded([&] {
    c10::IValue value;
    switch (kind) {
      case 'n': break;
      case 'i': value = integer; break;
      case 'd': value = number; break;
      case 'b': value = integer != 0; break;
      case 's': value = std::string(string); break;
      case 'v': value = c10::Device(std::string(string)); break;
      default: TORCH_CHECK(false, "no constant of kind ", kind);
    }
    *id = remember(*program, program->graph->insertConstant(value));
  });
}

// element: 'i' int, 'd' float, 'b' bool, 't' Tensor, 'o' Optional[Tensor], 's' str.
char* cleanai_program_list(Program* program, char element, const int64_t* elements, size_t count, int64_t* id) {
  return guarded([&] {
    TypePtr type;
    switch (element) {
      case 'i': type = IntType::get(); break;
      case 'd': type = FloatType::get(); break;
      case 'b': type = BoolType::get(); break;
      case 't': type = TensorType::get(); break;
      case 'o': type = OptionalType::ofTensor(); break;
      case 's': type = StringType::get(); break;
      default: TORCH_CHECK(false, "no list of kind ", element);
    }
    std::vector<Value*> values;
    for (size_t i = 0; i < count; ++i) values.push_back(value_of(*program, elements[i]));
    Node* node = program->graph->insertNode(program->graph->createList(type, values));
    *id = remember(*program, node->output());
  });
}

// Calls `operator_name` (aten::conv2d) with named arguments; an empty name is positional. `outputs` must hold `expected` ids.
char* cleanai_program_call(
    Program* program,
    const char* operator_name,
    const char* const* names,
    const int64_t* arguments,
    size_t count,
    int64_t* outputs,
    size_t expected) {
  return guarded([&] {
    std::vector<NamedValue> positional, named;
    for (size_t i = 0; i < count; ++i) {
      Value* value = value_of(*program, arguments[i]);
      if (names[i][0] == '\0') {
        positional.emplace_back(value);
      } else {
        named.emplace_back(std::string(names[i]), value);
      }
    }
    Value* result = program->graph->insert(Symbol::fromQualString(operator_name), positional, named);
    std::vector<Value*> results{result};
    if (result->type()->cast<TupleType>()) {
      auto unpacked = createTupleUnpack(result);
      results.assign(unpacked.begin(), unpacked.end());
    } else if (result->type()->cast<ListType>()) {
      Node* unpack = program->graph->insertNode(program->graph->createListUnpack(result, expected));
      results.assign(unpack->outputs().begin(), unpack->outputs().end());
    } else if (result->type()->cast<NoneType>()) {
      results.clear();
    }
    TORCH_CHECK(results.size() >= expected, operator_name, " gives ", results.size(), " results where the program names ", expected);
    for (size_t i = 0; i < expected; ++i) outputs[i] = remember(*program, results[i]);
  });
}

char* cleanai_program_output(Program* program, int64_t id) {
  return guarded([&] { program->graph->registerOutput(value_of(*program, id)); });
}

// What this value is after a run, the bound input of this place is before the next one. Called after the last output is made.
char* cleanai_program_keep(Program* program, int64_t id, size_t bound) {
  return guarded([&] {
    TORCH_CHECK(bound < program->bound.size(), "no bound input ", bound);
    program->graph->registerOutput(value_of(*program, id));
    program->kept.push_back(bound);
  });
}

// The operator calls as they run, in JSON; observers do not show.
char* cleanai_program_calls(Program* program, char** description) {
  return guarded([&] { *description = text(describe_calls(*program)); });
}

// Inserts an observer behind each of these values; a run hands them over under their index here, counted from `first`.
char* cleanai_program_observe(Program* program, const int64_t* wanted, size_t count, size_t first) {
  return guarded([&] {
    Graph& graph = *program->graph;
    for (size_t i = 0; i < count; ++i) {
      Value* value = value_of(*program, wanted[i]);
      TORCH_CHECK(is_tensor(value), "value ", wanted[i], " is no tensor");
      Node* producer = value->node();
      Node* observe = graph.create(Symbol::fromQualString("cleanai::observe"), 1);
      if (producer->kind() == prim::Param) {
        observe->insertBefore(producer->owningBlock()->nodes().front());
      } else {
        observe->insertAfter(producer);
      }
      Value* id;
      {
        WithInsertPoint here(observe);
        id = graph.insertConstant(static_cast<int64_t>(first + i));
      }
      observe->addInput(value);
      observe->addInput(id);
      observe->output()->setType(value->type());
      value->replaceAllUsesAfterNodeWith(observe, observe->output());
    }
    program->code.reset();
  });
}

// gradients: whether what is handed over can be differentiated by the tensors that are given.
char* cleanai_program_run(
    Program* program, const Given* tokens, size_t count, int gradients, Sink observed, Sink output, void* context) {
  const Observing* outer = observing;
  char* error = guarded([&] {
    if (!program->fresh.isNone() && !program->keep_state) program->bound[0] = copy_state(program->fresh);
    c10::InferenceMode inference(gradients == 0);
    if (!program->code) program->code = std::make_unique<Code>(program->graph, "forward");
    Stack stack(program->bound.begin(), program->bound.end());
    stack_arguments(*program, tokens, count, stack);
    Observing here{observed, context};
    observing = &here;
    InterpreterState(*program->code).run(stack);
    observing = outer;
    size_t outputs = stack.size() - program->kept.size();
    for (size_t i = 0; i < program->kept.size(); ++i) program->bound[program->kept[i]] = stack[outputs + i];
    int64_t index = 0;
    for (size_t i = 0; i < outputs; ++i) emit(stack[i], output, context, index);
  });
  observing = outer;
  return error;
}

// Weights take no gradients from now on: a way back leads to the arguments alone.
char* cleanai_program_fix_weights(Program* program) {
  return guarded([&] { fix_weights(*program); });
}

// Whether a way back from a tensor leads to a leaf.
char* cleanai_leads_to(const at::Tensor* computed, const at::Tensor* leaf, int* leads) {
  return guarded([&] { *leads = leads_to(*computed, *leaf) ? 1 : 0; });
}

// Hands over every parameter of the module by its name, or, where weights are bound by themselves, these without a name but under their place.
// They are what runs read, not copies; one of several names is handed over once.
char* cleanai_program_parameters(
    Program* program, int (*sink)(void* context, const char* name, int64_t place, at::Tensor* tensor), void* context) {
  return guarded([&] {
    std::unordered_set<const c10::TensorImpl*> seen;
    auto hand = [&](const std::string& name, int64_t place, const at::Tensor& tensor) {
      if (!tensor.defined() || !seen.insert(tensor.unsafeGetTensorImpl()).second) return;
      if (sink(context, name.c_str(), place, new at::Tensor(tensor)) != 0) throw std::runtime_error("cleanai: the caller stopped");
    };
    for (size_t place = 0; place < program->bound.size(); ++place) {
      const c10::IValue& bound = program->bound[place];
      if (bound.isTensor()) hand("", static_cast<int64_t>(place), bound.toTensor());
      if (!bound.isObject()) continue;
      for (const auto& parameter : Module(bound.toObject()).named_parameters()) {
        hand(parameter.name, static_cast<int64_t>(place), parameter.value);
      }
    }
  });
}

// Weights, constants and runs are in double precision from now on.
char* cleanai_program_to_double(Program* program) {
  return guarded([&] {
    program_to_double(*program);
    program->code.reset();
  });
}

// Runs the graph and hands over a step for every tensor that observers see, in order. A step is owned by the callee with its tensors; `value` is null for
// a weight. `roles` has one for each observer from `first` on; those before it see nothing.
char* cleanai_program_tape(
    Program* program,
    const Given* tokens,
    size_t count,
    const uint8_t* roles,
    size_t observers,
    size_t first,
    int (*step)(void* context, int64_t id, at::Tensor* computed, at::Tensor* value, const int64_t* sources, size_t count),
    void* context) {
  return guarded([&] {
    if (!program->fresh.isNone() && !program->keep_state) program->bound[0] = copy_state(program->fresh);
    at::AutoGradMode with_gradients(true);
    if (!program->code) program->code = std::make_unique<Code>(program->graph, "forward");
    Stack stack(program->bound.begin(), program->bound.end());
    stack_arguments(*program, tokens, count, stack);
    Tape tape{roles, observers, static_cast<int64_t>(first), {}, {}};
    {
      Writing here(tape);
      InterpreterState(*program->code).run(stack);
    }
    for (const Step& s : tape.steps) {
      auto* value = s.value.defined() ? new at::Tensor(s.value) : nullptr;
      if (step(context, s.id, new at::Tensor(s.computed), value, s.sources.data(), s.sources.size()) != 0) {
        throw std::runtime_error("cleanai: the caller stopped");
      }
    }
  });
}

// The product of a cotangent with the Jacobian of `computed` by each source: hands over one tensor per source under its index, where it depends on it.
// keep: whether it will be asked again. differentiable: whether the products can be differentiated themselves, by the cotangent.
char* cleanai_vector_jacobian(
    const at::Tensor* computed,
    const at::Tensor* cotangent,
    const at::Tensor* const* sources,
    size_t count,
    int keep,
    int differentiable,
    Sink sink,
    void* context) {
  return guarded([&] {
    at::AutoGradMode with_gradients(true);
    std::vector<at::Tensor> by;
    for (size_t i = 0; i < count; ++i) by.push_back(*sources[i]);
    auto products = torch::autograd::grad(
        {*computed}, by, {*cotangent}, /*retain_graph=*/keep != 0, /*create_graph=*/differentiable != 0, /*allow_unused=*/true);
    for (size_t i = 0; i < count; ++i) {
      if (!products[i].defined()) continue;
      if (sink(context, static_cast<int64_t>(i), new at::Tensor(products[i])) != 0) {
        throw std::runtime_error("cleanai: the caller stopped");
      }
    }
  });
}

// Where the values of a tensor of doubles lie one after the other in main memory, if this handle is all that holds them; null otherwise.
double* cleanai_sole_doubles(const at::Tensor* x) {
  try {
    bool plain = x->defined() && x->layout() == at::kStrided && x->device().is_cpu() && x->scalar_type() == at::kDouble &&
        x->is_contiguous() && !x->is_neg() && !x->_is_zerotensor() && x->has_storage() && x->numel() > 0;
    bool sole = plain && x->use_count() == 1 && x->storage().use_count() == 1;
    return sole ? x->mutable_data_ptr<double>() : nullptr;
  } catch (...) {
    return nullptr;
  }
}

}  // extern "C"
