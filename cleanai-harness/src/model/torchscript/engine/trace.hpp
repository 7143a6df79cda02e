// A graph from a function that computes with tensors: run once to find the weights it uses, once more while libtorch's tracer
// writes down the operators it calls.

#pragma once

#include <ATen/record_function.h>
#include <torch/csrc/jit/frontend/tracer.h>
#include <torch/csrc/jit/passes/constant_propagation.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/fixup_trace_scope_blocks.h>
#include <torch/csrc/jit/passes/normalize_ops.h>

#include <unordered_set>

#include "program.hpp"

namespace {

struct Recording {
  std::vector<at::Tensor> weights;
  std::unordered_set<const c10::TensorImpl*> known;
  at::CallbackHandle handle = 0;

  void look_at(const c10::IValue& value) {
    if (value.isTensor()) {
      const at::Tensor& given = value.toTensor();
      if (!given.defined()) return;
      // Operators made of others hand views of a weight on.
      const at::Tensor tensor = given.is_view() ? at::Tensor(given._base()) : given;
      // The tracer takes other tensors as constants, but wants those that can be trained as inputs.
      if (tensor.is_leaf() && tensor.requires_grad() && known.insert(tensor.unsafeGetTensorImpl()).second) {
        weights.push_back(tensor);
      }
    } else if (value.isList()) {
      for (const c10::IValue element : value.toListRef()) look_at(element);
    }
  }
};

thread_local std::unique_ptr<Recording> recording;

std::unique_ptr<at::ObserverContext> record_inputs(const at::RecordFunction& call) {
  if (recording) {
    for (const c10::IValue& input : call.inputs()) recording->look_at(input);
  }
  return nullptr;
}

void start_recording() {
  recording = std::make_unique<Recording>();
  recording->handle = at::addThreadLocalCallback(at::RecordFunctionCallback(record_inputs).needsInputs(true));
}

std::vector<at::Tensor> stop_recording() {
  TORCH_CHECK(recording, "nothing is recorded");
  at::removeCallback(recording->handle);
  std::vector<at::Tensor> weights = std::move(recording->weights);
  recording.reset();
  return weights;
}

// What is traced until it ends becomes this program.
thread_local std::unique_ptr<Program> tracing;

void start_tracing(const std::vector<at::Tensor>& weights, const at::Tensor& example) {
  TORCH_CHECK(!tracer::isTracing(), "a model is traced already on this thread");
  auto state = std::make_shared<tracer::TracingState>();
  auto program = std::make_unique<Program>();
  program->graph = state->graph;
  auto add = [&](const at::Tensor& tensor) {
    Value* value = state->graph->addInput();
    value->setType(TensorType::get());
    state->setValue(tensor, value);
  };
  for (const at::Tensor& weight : weights) {
    add(weight);
    program->bound.emplace_back(weight);
  }
  add(example);
  tracing = std::move(program);
  tracer::setTracingState(std::move(state));
}

void abandon_tracing() {
  tracer::setTracingState(nullptr);
  tracing.reset();
}

std::unique_ptr<Program> stop_tracing(const at::Tensor& output) {
  auto state = tracer::getTracingState();
  TORCH_CHECK(state && tracing, "nothing is traced");
  state->graph->registerOutput(state->getOutput(output, 0));
  tracer::setTracingState(nullptr);
  std::unique_ptr<Program> program = std::move(tracing);
  FixupTraceScopeBlocks(program->graph, nullptr);
  NormalizeOps(program->graph);
  ConstantPropagation(program->graph);
  EliminateDeadCode(program->graph);
  return program;
}

}  // namespace
