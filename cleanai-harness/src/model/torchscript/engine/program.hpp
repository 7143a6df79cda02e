// What all parts of the engine share: a program, texts for Rust, and the operator that observes.

#pragma once

#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/functions/accumulate_grad.h>
#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/runtime/interpreter.h>
#include <torch/csrc/jit/runtime/operator.h>
#include <torch/script.h>

#include <cstring>
#include <mutex>
#include <optional>
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
  std::vector<std::optional<c10::IValue>> defaults;  // of the other inputs, where there are any
  c10::IValue fresh;  // the module before its first run, where runs change it
  bool keep_state = false;
  std::vector<size_t> kept;  // the bound inputs that the last outputs of a run replace
  std::unordered_map<Node*, Origin> origins;
  std::unordered_map<size_t, Value*> values;
  std::unique_ptr<Code> code;
  size_t inlined = 0;  // nodes that calls were replaced by
};

// Set while a tape is written (tape.hpp): gets an observed tensor and gives back what the run goes on with.
thread_local at::Tensor (*write_down)(int64_t id, const at::Tensor& x) = nullptr;

// Calls that call others twice, and so on, grow without bound; the largest models have some ten thousand nodes.
constexpr size_t kMostNodes = 1000000;

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
          if (!x.defined()) return;
          if (write_down != nullptr) {
            peek(stack, 0, 1) = write_down(id, x);
            return;
          }
          if (observing == nullptr) return;
          // Criteria read numbers: of a quantised tensor those it stands for. What is to be differentiated is kept, and must not be what later operators
          // change in place.
          auto* seen = new at::Tensor(x.is_quantized() ? x.dequantize() : at::GradMode::is_enabled() ? x.clone() : x);
          if (observing->sink(observing->context, id, seen) != 0) {
            throw std::runtime_error("cleanai: the observer stopped the run");
          }
        },
        c10::AliasAnalysisKind::FROM_SCHEMA));
  });
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

bool is_tensor(const Value* value) {
  return value->type()->isSubtypeOf(*TensorType::get());
}

template <typename F>
void each_node(Block* block, F&& visit) {
  for (auto it = block->nodes().begin(); it != block->nodes().end();) {
    Node* node = *it;
    ++it;  // the visitor may destroy the node
    for (Block* inner : node->blocks()) each_node(inner, visit);
    visit(node);
  }
}

}  // namespace
