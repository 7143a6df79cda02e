// A program as JSON, for Rust to read.

#pragma once

#include "program.hpp"

#include <cmath>
#include <set>
#include <unordered_set>

namespace {

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

// An observer hands on what it reads.
const Value* observed(const Value* value) {
  static const Symbol observe = Symbol::fromQualString("cleanai::observe");
  while (value->node()->kind() == observe) value = value->node()->input(0);
  return value;
}

template <typename Values>
void ids(std::string& out, Program& program, const Values& values) {
  out += '[';
  bool first = true;
  for (const Value* each : values) {
    const Value* value = observed(each);
    if (!first) out += ',';
    first = false;
    program.values[value->unique()] = const_cast<Value*>(value);
    out += std::to_string(value->unique());
  }
  out += ']';
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
    if (!node->outputs().empty() && observed(node->output(0)) != node->output(0)) return;
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
    if (auto place = node->sourceRange().file_line_col(); place && !node->kind().is_prim()) {
      out += ",\"place\":";
      quote(out, std::get<0>(*place) + ":" + std::to_string(std::get<1>(*place) + 1));
    }
    out += "}";
  }

  void constant(const Node* node) {
    auto value = toIValue(node->output());
    if (!value) return;
    if (value->isInt()) {
      out += ",\"value\":" + std::to_string(value->toInt());
    } else if (value->isBool()) {
      out += value->toBool() ? ",\"value\":true" : ",\"value\":false";
    } else if (value->isDouble() && std::isfinite(value->toDouble())) {
      char number[40];
      std::snprintf(number, sizeof number, "%.17e", value->toDouble());
      out += std::string(",\"value\":") + number;
    } else if (value->isString() && value->toStringRef().size() < 256) {
      out += ",\"value\":";
      quote(out, value->toStringRef());
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

// A type as nested objects: what can be fed is told apart, the rest keeps its name.
void type(std::string& out, const Type& t, size_t depth) {
  auto nested = [&](const char* kind, const TypePtr& of) {
    out += std::string("{\"kind\":\"") + kind + "\",\"of\":";
    type(out, *of, depth + 1);
    out += "}";
  };
  auto kind = depth > 64 ? TypeKind::AnyType : t.kind();
  if (kind == TypeKind::TensorType) {
    out += "{\"kind\":\"tensor\"}";
  } else if (kind == TypeKind::OptionalType) {
    nested("optional", t.expectRef<OptionalType>().getElementType());
  } else if (kind == TypeKind::ListType) {
    nested("list", t.expectRef<ListType>().getElementType());
  } else if (kind == TypeKind::DictType && t.expectRef<DictType>().getKeyType()->kind() == TypeKind::StringType) {
    nested("dictionary", t.expectRef<DictType>().getValueType());
  } else if (kind == TypeKind::TupleType) {
    const auto& tuple = t.expectRef<TupleType>();
    out += "{\"kind\":\"structure\",\"fields\":[";
    for (size_t i = 0; i < tuple.elements().size(); ++i) {
      out += i == 0 ? "{\"name\":" : ",{\"name\":";
      quote(out, tuple.schema() ? tuple.schema()->arguments().at(i).name() : std::to_string(i));
      out += ",\"type\":";
      type(out, *tuple.elements()[i], depth + 1);
      out += "}";
    }
    out += "]}";
  } else {
    bool scalar = kind == TypeKind::IntType || kind == TypeKind::FloatType || kind == TypeKind::BoolType ||
        kind == TypeKind::StringType || kind == TypeKind::NumberType;
    out += scalar ? "{\"kind\":\"scalar\",\"name\":" : "{\"kind\":\"other\",\"name\":";
    quote(out, t.annotation_str());
    out += "}";
  }
}

// Without a module the arguments have the names of the graph, and there are no modules and parameters.
std::string describe(Program& program, const Module* module) {
  Describer describer{program, "{\"nodes\":[\n"};
  describer.block(program.graph->block(), Origin{});
  std::string& out = describer.out;
  std::vector<const Value*> weights(program.graph->inputs().begin(), program.graph->inputs().begin() + program.bound.size());
  out += "],\n\"weights\":";
  ids(out, program, weights);
  out += ",\n\"inputs\":";
  std::vector<const Value*> inputs(program.graph->inputs().begin() + program.bound.size(), program.graph->inputs().end());
  ids(out, program, inputs);
  out += ",\"outputs\":";
  ids(out, program, program.graph->outputs());
  out += ",\"arguments\":[";
  for (size_t i = 0; i < inputs.size(); ++i) {
    out += i == 0 ? "{\"name\":" : ",{\"name\":";
    quote(out, module == nullptr ? "x" : module->get_method("forward").function().getSchema().arguments().at(i + 1).name());
    out += ",\"type\":";
    type(out, *inputs[i]->type(), 0);
    out += i < program.defaults.size() && program.defaults[i] ? ",\"has_default\":true}" : ",\"has_default\":false}";
  }
  out += "],\"modules\":[";
  bool first_module = true;
  std::vector<at::Tensor> parameters;
  if (module != nullptr) {
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
    // A module under two names has its parameters once.
    std::unordered_set<const c10::TensorImpl*> known;
    for (const at::Tensor& parameter : module->parameters()) {
      if (known.insert(parameter.unsafeGetTensorImpl()).second) parameters.push_back(parameter);
    }
  } else {
    for (const c10::IValue& bound : program.bound) parameters.push_back(bound.toTensor());
  }
  int64_t count = 0;
  std::set<std::string> elements;
  for (const at::Tensor& parameter : parameters) {
    count += parameter.numel();
    if (parameter.is_floating_point()) elements.insert(c10::toString(parameter.scalar_type()));
  }
  // Where all weights are of one type, inputs are of that type as well.
  out += "],\"element\":";
  quote(out, elements.size() == 1 ? *elements.begin() : std::string());
  out += ",\"parameters\":" + std::to_string(count) + "}";
  return std::move(describer.out);
}

// The operator calls alone, with every argument where the operator's schema has it.
std::string describe_calls(Program& program) {
  Describer describer{program, "{\"nodes\":[\n"};
  describer.block(program.graph->block(), Origin{});
  std::string& out = describer.out;
  std::vector<const Value*> inputs(program.graph->inputs().begin() + program.bound.size(), program.graph->inputs().end());
  out += "],\n\"inputs\":";
  ids(out, program, inputs);
  out += ",\"outputs\":";
  ids(out, program, program.graph->outputs());
  out += "}";
  return std::move(describer.out);
}

}  // namespace
