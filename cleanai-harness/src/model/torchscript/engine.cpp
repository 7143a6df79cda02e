// What libtorch offers only in C++: opening a TorchScript module and inlining its graph, building a graph operator by
// operator, inserting observers into it, and running it on libtorch's own interpreter. Everything else is Rust.
//
// Every function returns null or an error text to be freed with cleanai_text_free; no exception leaves this file.

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/passes/constant_propagation.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/runtime/interpreter.h>
#include <torch/csrc/jit/runtime/operator.h>
#include <torch/script.h>
#include <torch/version.h>

#include <cstring>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

using namespace torch::jit;

namespace {

// Called with an observed tensor (owned by the callee) or an output; non-zero stops the run.
using Sink = int (*)(void* context, int64_t id, at::Tensor* tensor);

struct Observing {
  Sink sink;
  void* context;
};

thread_local const Observing* observing = nullptr;

struct Origin {
  std::string path;
  std::string type;
};

struct Program {
  std::shared_ptr<Graph> graph;
  std::vector<c10::IValue> bound;  // the leading graph inputs: the module, or the weights
  std::unordered_map<Node*, Origin> origins;
  std::unordered_map<size_t, Value*> values;
  std::unique_ptr<Code> code;
};

char* text(const std::string& s) {
  char* copy = static_cast<char*>(std::malloc(s.size() + 1));
  if (copy != nullptr) std::memcpy(copy, s.c_str(), s.size() + 1);
  return copy;
}

template <typename F>
char* guarded(F&& body) {
  try {
    body();
    return nullptr;
  } catch (const c10::Error& e) {
    return text(e.what_without_backtrace());
  } catch (const std::exception& e) {
    return text(e.what());
  } catch (...) {
    return text("libtorch threw something that is no exception");
  }
}

void register_observe() {
  static std::once_flag once;
  std::call_once(once, [] {
    registerOperator(Operator(
        "cleanai::observe(Tensor(a) x, int id) -> Tensor(a)",
        [](Stack& stack) {
          int64_t id = pop(stack).toInt();
          const at::Tensor& x = peek(stack, 0, 1).toTensor();
          if (observing != nullptr && observing->sink(observing->context, id, new at::Tensor(x)) != 0) {
            throw std::runtime_error("cleanai: the observer stopped the run");
          }
        },
        c10::AliasAnalysisKind::FROM_SCHEMA));
  });
}

// ---------------------------------------------------------------------------------------------------- lowering

void mark(Program& program, Node* node, const Origin& origin) {
  program.origins[node] = origin;
  for (Block* block : node->blocks()) {
    for (Node* inner : block->nodes()) mark(program, inner, origin);
  }
}

// Puts the callee's nodes in place of the call and marks them as the callee's; returns the first of them.
Node* inline_call(Program& program, Node* call, Function& function, const Origin& origin) {
  Node* before = call->prev();
  Node* after = call->next();
  GraphFunction& graph_function = toGraphFunction(function);
  inlineCallTo(call, &graph_function, graph_function.graph().get());
  for (Node* node = before->next(); node != after; node = node->next()) mark(program, node, origin);
  return before->next();
}

// Like libtorch's Inline, but follows every module object along its attributes, so that a node knows the whole path of its module.
void inline_calls(Program& program, Block* block, std::unordered_map<Value*, std::string>& paths, size_t depth) {
  TORCH_CHECK(depth < 256, "calls are nested more than 256 deep");
  Node* node = block->nodes().front();
  while (node != block->return_node()) {
    Node* next = node->next();
    switch (node->kind()) {
      case prim::GetAttr: {
        auto owner = paths.find(node->input(0));
        if (owner != paths.end()) {
          if (node->output()->type()->cast<ClassType>() || node->output()->type()->cast<InterfaceType>()) {
            const std::string& name = node->s(attr::name);
            std::string path = owner->second.empty() ? name : owner->second + "." + name;
            paths.emplace(node->output(), std::move(path));
          } else if (node->s(attr::name) == "training" && node->output()->type() == BoolType::get()) {
            WithInsertPoint here(node);  // eval() has set it everywhere
            node->output()->replaceAllUsesWith(node->owningGraph()->insertConstant(false));
          }
        }
        break;
      }
      case prim::CallFunction: {
        auto callee = node->input(0)->node();
        auto type = node->input(0)->type()->expect<FunctionType>();
        if (type->function()->isGraphFunction() && !type->function()->name().empty()) {
          Origin origin = program.origins[node];
          node->removeInput(0);
          Node* first = inline_call(program, node, *type->function(), origin);
          if (!callee->hasUses()) {
            program.origins.erase(callee);
            callee->destroy();
          }
          next = first;
        }
        break;
      }
      case prim::CallMethod: {
        if (auto type = node->input(0)->type()->cast<ClassType>()) {
          Function& method = type->getMethod(node->s(attr::name));
          if (method.isGraphFunction()) {
            auto path = paths.find(node->input(0));
            Origin origin = path == paths.end()
                ? program.origins[node]
                : Origin{path->second, type->name() ? type->name()->qualifiedName() : std::string()};
            next = inline_call(program, node, method, origin);
          }
        }
        break;
      }
      default:
        for (Block* inner : node->blocks()) inline_calls(program, inner, paths, depth + 1);
    }
    node = next;
  }
}

// ---------------------------------------------------------------------------------------------------- description

void quote(std::string& out, const std::string& s) {
  out += '"';
  for (unsigned char c : s) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", c);
      out += escaped;
    } else {
      out += static_cast<char>(c);
    }
  }
  out += '"';
}

template <typename Values>
void ids(std::string& out, Program& program, const Values& values) {
  out += '[';
  bool first = true;
  for (const Value* value : values) {
    if (!first) out += ',';
    first = false;
    program.values[value->unique()] = const_cast<Value*>(value);
    out += std::to_string(value->unique());
  }
  out += ']';
}

bool is_tensor(const Value* value) {
  return value->type()->isSubtypeOf(*TensorType::get());
}

struct Describer {
  Program& program;
  std::string out;
  bool first = true;

  void begin(const char* kind) {
    if (!first) out += ",\n";
    first = false;
    out += "{\"kind\":";
    quote(out, kind);
  }

  // The flat form shows control flow as data flow: a block's parameters read what is passed in, a node with blocks reads what they return.
  void block(const Block* block, const Origin& origin) {
    for (const Node* node : block->nodes()) this->node(node, origin);
  }

  void node(const Node* node, const Origin& around) {
    auto found = program.origins.find(const_cast<Node*>(node));
    const Origin& origin = found == program.origins.end() ? around : found->second;
    std::vector<const Value*> inputs(node->inputs().begin(), node->inputs().end());
    for (const Block* inner : node->blocks()) {
      if (!inner->inputs().empty()) {
        begin("cleanai::parameters");
        out += ",\"inputs\":";
        ids(out, program, node->inputs());
        out += ",\"outputs\":";
        ids(out, program, inner->inputs());
        out += "}";
      }
      block(inner, origin);
      for (const Value* value : inner->outputs()) inputs.push_back(value);
    }
    begin(node->kind().toQualString());
    out += ",\"inputs\":";
    ids(out, program, inputs);
    out += ",\"outputs\":";
    ids(out, program, node->outputs());
    out += ",\"tensors\":[";
    for (size_t i = 0; i < node->outputs().size(); ++i) {
      out += i == 0 ? "" : ",";
      out += is_tensor(node->outputs()[i]) ? "true" : "false";
    }
    out += "],\"path\":";
    quote(out, origin.path);
    out += ",\"class\":";
    quote(out, origin.type);
    if (node->kind() == prim::Constant && !node->outputs().empty()) constant(node);
    out += "}";
  }

  void constant(const Node* node) {
    auto value = toIValue(node->output());
    if (!value) return;
    if (value->isInt()) {
      out += ",\"value\":" + std::to_string(value->toInt());
    } else if (value->isBool()) {
      out += value->toBool() ? ",\"value\":true" : ",\"value\":false";
    } else if (value->isIntList()) {
      out += ",\"value\":[";
      bool first_element = true;
      for (int64_t element : value->toIntVector()) {
        out += first_element ? "" : ",";
        first_element = false;
        out += std::to_string(element);
      }
      out += "]";
    }
  }
};

std::string describe(Program& program, const Module* module) {
  Describer describer{program, "{\"nodes\":[\n"};
  describer.block(program.graph->block(), Origin{});
  std::string& out = describer.out;
  out += "],\n\"inputs\":";
  std::vector<const Value*> inputs(program.graph->inputs().begin() + program.bound.size(), program.graph->inputs().end());
  ids(out, program, inputs);
  out += ",\"outputs\":";
  ids(out, program, program.graph->outputs());
  out += ",\"input_types\":[";
  for (size_t i = 0; i < inputs.size(); ++i) {
    out += i == 0 ? "" : ",";
    quote(out, inputs[i]->type()->str());
  }
  out += "],\"modules\":[";
  int64_t parameters = 0;
  if (module != nullptr) {
    bool first_module = true;
    for (const auto& named : module->named_modules()) {
      out += first_module ? "" : ",";
      first_module = false;
      out += "{\"path\":";
      quote(out, named.name);
      out += ",\"class\":";
      auto type = named.value.type();
      quote(out, type->name() ? type->name()->qualifiedName() : std::string());
      out += "}";
    }
    for (const at::Tensor& parameter : module->parameters()) parameters += parameter.numel();
  }
  out += "],\"parameters\":" + std::to_string(parameters) + "}";
  return std::move(describer.out);
}

void emit(const c10::IValue& value, Sink sink, void* context, int64_t& index) {
  if (value.isTensor()) {
    if (sink(context, index++, new at::Tensor(value.toTensor())) != 0) {
      throw std::runtime_error("cleanai: the caller stopped the run");
    }
  } else if (value.isTuple()) {
    for (const auto& element : value.toTupleRef().elements()) emit(element, sink, context, index);
  } else if (value.isList()) {
    for (const c10::IValue element : value.toListRef()) emit(element, sink, context, index);
  } else if (value.isGenericDict()) {
    for (const auto& entry : value.toGenericDict()) emit(entry.value(), sink, context, index);
  }
}

Value* value_of(Program& program, int64_t id) {
  auto found = program.values.find(static_cast<size_t>(id));
  TORCH_CHECK(found != program.values.end(), "no value ", id, " in this graph");
  return found->second;
}

int64_t remember(Program& program, Value* value) {
  program.values[value->unique()] = value;
  return static_cast<int64_t>(value->unique());
}

}  // namespace

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

// device: -1 is the CPU, else the index of a GPU.
char* cleanai_torchscript_open(const char* path, int64_t device, Program** program_out, char** description) {
  return guarded([&] {
    register_observe();
    c10::Device where = device < 0 ? c10::Device(c10::kCPU) : c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(device));
    Module module = torch::jit::load(path, where);
    module.eval();
    auto program = std::make_unique<Program>();
    program->graph = toGraphFunction(module.get_method("forward").function()).graph()->copy();
    program->bound.emplace_back(module._ivalue());
    std::unordered_map<Value*, std::string> paths;
    paths.emplace(program->graph->inputs().at(0), "");
    Origin root{"", module.type()->name() ? module.type()->name()->qualifiedName() : std::string()};
    for (Node* node : program->graph->nodes()) mark(*program, node, root);
    inline_calls(*program, program->graph->block(), paths, 0);
    ConstantPropagation(program->graph);
    EliminateDeadCode(program->graph);
    *description = text(describe(*program, &module));
    *program_out = program.release();
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

// Inserts an observer behind each of these values; callable again with others.
char* cleanai_program_observe(Program* program, const int64_t* wanted, size_t count) {
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
        id = graph.insertConstant(wanted[i]);
      }
      observe->addInput(value);
      observe->addInput(id);
      observe->output()->setType(value->type());
      value->replaceAllUsesAfterNodeWith(observe, observe->output());
    }
    program->code.reset();
  });
}

char* cleanai_program_run(
    Program* program,
    const at::Tensor* const* inputs,
    size_t count,
    Sink observed,
    Sink output,
    void* context) {
  const Observing* outer = observing;
  char* error = guarded([&] {
    c10::InferenceMode inference(true);
    if (!program->code) program->code = std::make_unique<Code>(program->graph, "forward");
    Stack stack(program->bound.begin(), program->bound.end());
    size_t wanted = program->graph->inputs().size() - program->bound.size();
    TORCH_CHECK(wanted == count, "the model takes ", wanted, " inputs, it was given ", count);
    for (size_t i = 0; i < count; ++i) stack.emplace_back(*inputs[i]);
    Observing here{observed, context};
    observing = &here;
    InterpreterState(*program->code).run(stack);
    observing = outer;
    int64_t index = 0;
    for (const c10::IValue& value : stack) emit(value, output, context, index);
  });
  observing = outer;
  return error;
}

}  // extern "C"
