// What it takes to differentiate a run by what the model is given.

#pragma once

#include <unordered_set>

#include "program.hpp"

namespace {

// Tensors of the program's own are changed, those of others are bound by another handle.
void fix_weights(Program& program) {
  auto of_module = [](const c10::IValue& value) {
    if (!value.isObject()) return;
    for (at::Tensor parameter : Module(value.toObject()).parameters()) parameter.set_requires_grad(false);
  };
  for (c10::IValue& bound : program.bound) {
    if (bound.isTensor() && bound.toTensor().defined()) bound = bound.toTensor().detach();
    of_module(bound);
  }
  of_module(program.fresh);
}

// Whether a way back leads to a leaf. What stands for an operator without a derivative only fails, or warns, once it is used: no way goes through it.
bool leads_to(const at::Tensor& computed, const at::Tensor& leaf) {
  std::unordered_set<const torch::autograd::Node*> seen;
  std::vector<torch::autograd::Node*> open;
  if (computed.grad_fn()) open.push_back(computed.grad_fn().get());
  while (!open.empty()) {
    torch::autograd::Node* node = open.back();
    open.pop_back();
    if (!seen.insert(node).second) continue;
    if (auto* end = dynamic_cast<torch::autograd::AccumulateGrad*>(node)) {
      if (end->variable.unsafeGetTensorImpl() == leaf.unsafeGetTensorImpl()) return true;
    }
    if (node->name().find("NotImplemented") != std::string::npos) continue;
    for (const auto& edge : node->next_edges()) {
      if (edge.function) open.push_back(edge.function.get());
    }
  }
  return false;
}

}  // namespace
