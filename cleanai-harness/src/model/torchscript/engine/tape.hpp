// What relevance is computed from: a run in double precision that keeps every value, each apart from those it was computed from.

#pragma once

#include <functional>
#include <unordered_set>

#include "program.hpp"

namespace {

using torch::autograd::AccumulateGrad;

// Of an observer while a tape is written.
enum Role : uint8_t {
  kValue = 0,    // written down
  kChanged = 1,  // likewise, and what reads it changes it in place: it gets a copy
  kWeight = 2,   // does not depend on the input: handed over as it is
};

struct Step {
  int64_t id;           // of the observer
  at::Tensor computed;  // depends on its sources, and on nothing before them
  at::Tensor value;     // the same numbers as a leaf; undefined for a weight
  std::vector<int64_t> sources;
};

struct Tape {
  const uint8_t* roles;
  size_t observers;
  int64_t first;  // observers before it see nothing
  std::vector<Step> steps;
  std::unordered_map<const c10::TensorImpl*, int64_t> places;

  // The steps whose leaves a tensor was computed from, in the order of the operator's arguments.
  std::vector<int64_t> sources(const at::Tensor& x) const {
    std::vector<int64_t> found;
    std::unordered_set<const torch::autograd::Node*> seen;
    std::vector<torch::autograd::Node*> open;
    if (x.grad_fn()) open.push_back(x.grad_fn().get());
    while (!open.empty()) {
      torch::autograd::Node* node = open.back();
      open.pop_back();
      if (!seen.insert(node).second) continue;
      if (auto* leaf = dynamic_cast<AccumulateGrad*>(node)) {
        auto place = places.find(leaf->variable.unsafeGetTensorImpl());
        if (place != places.end()) found.push_back(place->second);
      }
      const auto& edges = node->next_edges();
      for (auto edge = edges.rbegin(); edge != edges.rend(); ++edge) {
        if (edge->function) open.push_back(edge->function.get());
      }
    }
    return found;
  }

  // Writes an observed tensor down; returns what the run goes on with.
  at::Tensor write(int64_t observer, const at::Tensor& x) {
    int64_t id = observer - first;
    if (id < 0 || static_cast<size_t>(id) >= observers) return x;
    Role role = static_cast<Role>(roles[id]);
    if (role == kWeight) {
      steps.push_back({id, x.detach(), at::Tensor(), {}});
      return x;
    }
    if (!x.is_floating_point()) return x;
    if (places.count(x.unsafeGetTensorImpl()) != 0) return role == kChanged ? x.clone() : x;  // only handed on
    at::Tensor leaf = x.detach().requires_grad_(true);
    places.emplace(leaf.unsafeGetTensorImpl(), static_cast<int64_t>(steps.size()));
    steps.push_back({id, x, leaf, sources(x)});
    return role == kChanged ? leaf.clone() : leaf;
  }
};

thread_local Tape* tape = nullptr;

at::Tensor write_on_tape(int64_t id, const at::Tensor& x) {
  return tape->write(id, x);
}

// Observers of this thread write on a tape as long as this lives.
struct Writing {
  explicit Writing(Tape& on) {
    tape = &on;
    write_down = write_on_tape;
  }
  ~Writing() {
    tape = nullptr;
    write_down = nullptr;
  }
};

at::Tensor in_double(const at::Tensor& x) {
  if (!x.defined() || x.is_quantized()) return x;
  return x.is_floating_point() ? x.detach().to(at::kDouble) : x.detach();
}

// Tensors within a value, those of objects in place.
c10::IValue value_in_double(const c10::IValue& value, std::unordered_set<const void*>& seen) {
  if (value.isTensor()) return in_double(value.toTensor());
  if (value.isTensorList()) {
    c10::List<at::Tensor> list;
    for (const at::Tensor& x : value.toTensorVector()) list.push_back(in_double(x));
    return list;
  }
  if (value.isObject() && seen.insert(value.toObject().get()).second) {
    auto object = value.toObject();
    for (size_t i = 0; i < object->slots().size(); ++i) object->setSlot(i, value_in_double(object->getSlot(i), seen));
  }
  return value;
}

// An attribute that may be a tensor or none is known to be one once the module is.
void settle_attributes(Program& program) {
  if (program.bound.empty() || !program.bound[0].isObject()) return;
  std::unordered_map<Value*, c10::IValue> known;
  known.emplace(program.graph->inputs().at(0), program.bound[0]);
  std::vector<Node*> attributes;
  std::function<void(Block*)> collect = [&](Block* block) {
    for (Node* node : block->nodes()) {
      if (node->kind() == prim::GetAttr) attributes.push_back(node);
      for (Block* inner : node->blocks()) collect(inner);
    }
  };
  collect(program.graph->block());
  for (Node* node : attributes) {
    auto owner = known.find(node->input(0));
    if (owner == known.end() || !owner->second.isObject()) continue;
    c10::IValue value = owner->second.toObject()->getAttr(node->s(attr::name));
    if (value.isTensor() && !is_tensor(node->output())) node->output()->setType(TensorType::get());
    known.emplace(node->output(), std::move(value));
  }
}

// What makes numbers without being told of which type.
bool makes_default_type(const Node* node) {
  static const std::unordered_set<std::string> makers{
      "aten::zeros", "aten::ones", "aten::empty", "aten::eye", "aten::linspace", "aten::rand", "aten::randn"};
  return makers.count(node->kind().toQualString()) != 0;
}

// Weights, constants and the types that the code names become those of double precision.
void program_to_double(Program& program) {
  std::unordered_set<const void*> seen;
  for (c10::IValue& bound : program.bound) bound = value_in_double(bound, seen);
  program.fresh = value_in_double(program.fresh, seen);
  settle_attributes(program);
  Graph& graph = *program.graph;
  each_node(graph.block(), [&](Node* node) {
    if (node->kind() == prim::Constant && node->hasAttribute(attr::value)) {
      switch (node->kindOf(attr::value)) {
        case AttributeKind::t: node->t_(attr::value, in_double(node->t(attr::value))); break;
        case AttributeKind::ival: node->ival_(attr::value, value_in_double(node->ival(attr::value), seen)); break;
        case AttributeKind::ts: {
          std::vector<at::Tensor> all;
          for (const at::Tensor& x : node->ts(attr::value)) all.push_back(in_double(x));
          node->ts_(attr::value, std::move(all));
          break;
        }
        default: break;
      }
    }
    if (node->kind() == aten::detach) {
      // It only says that no gradient passes; relevance does.
      node->output()->replaceAllUsesWith(node->input(0));
      node->destroy();
      return;
    }
    const auto* schema = node->maybeSchema();
    if (schema == nullptr) return;
    const auto& arguments = schema->arguments();
    for (size_t i = 0; i < arguments.size() && i < node->inputs().size(); ++i) {
      if (arguments[i].name() != "dtype") continue;
      auto type = toIValue(node->input(i));
      if (!type) continue;
      auto narrow = [](int64_t type) {
        auto scalar = static_cast<at::ScalarType>(type);
        return scalar == at::kFloat || scalar == at::kHalf || scalar == at::kBFloat16;
      };
      if (!(type->isInt() && narrow(type->toInt())) && !(type->isNone() && makes_default_type(node))) continue;
      WithInsertPoint here(node);
      node->replaceInput(i, graph.insertConstant(static_cast<int64_t>(at::kDouble)));
    }
  });
}

}  // namespace
