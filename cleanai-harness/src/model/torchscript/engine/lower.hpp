// From a TorchScript module to one flat graph: calls inlined, every node marked with its module.

#pragma once

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/passes/constant_propagation.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>

#include "program.hpp"

namespace {

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
  for (Node* node = before->next(); node != after; node = node->next()) {
    mark(program, node, origin);
    TORCH_CHECK(++program.inlined <= kMostNodes, "its calls unfold to more than ", kMostNodes, " operators");
  }
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

// The device a model was exported on is written into its code; here it runs on another.
void move_to(Graph& graph, c10::Device device) {
  each_node(graph.block(), [&](Node* node) {
    if (node->kind() == prim::Constant && node->output()->type() == DeviceObjType::get()) {
      WithInsertPoint here(node);
      node->output()->replaceAllUsesWith(graph.insertConstant(device));
      node->destroy();
    } else if (device.is_cpu() && node->kind() == Symbol::fromQualString("aten::cuda")) {
      node->output()->replaceAllUsesWith(node->input(0));
      node->destroy();
    }
  });
}

// Whether a run can change attributes of the module: it sets one, or writes into one.
bool changes_state(const std::shared_ptr<Graph>& graph) {
  bool sets = false;
  std::vector<Value*> attributes;
  each_node(graph->block(), [&](Node* node) {
    sets = sets || node->kind() == prim::SetAttr;
    if (node->kind() == prim::GetAttr && !node->output()->type()->cast<ClassType>()) attributes.push_back(node->output());
  });
  if (sets) return true;
  AliasDb aliases(graph);
  return std::any_of(attributes.begin(), attributes.end(), [&](Value* value) { return aliases.hasWriters(value); });
}

// A copy of a module that shares its parameters: runs change buffers and other attributes only.
c10::IValue copy_state(const c10::IValue& module) {
  c10::IValue::HashIdentityIValueMap shared;
  for (const at::Tensor& parameter : Module(module.toObject()).parameters()) shared[parameter] = parameter;
  return module.deepcopy(shared);
}

}  // namespace
