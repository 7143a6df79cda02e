// Values between Rust and libtorch: arguments as a flat row of tokens, outputs one tensor at a time.

#pragma once

#include "program.hpp"

namespace {

// One value of an argument, containers before what they hold.
struct Given {
  int32_t kind;
  uint32_t count;  // elements of a container
  const at::Tensor* tensor;
  const char* key;  // of an entry of a dictionary
};

enum GivenKind : int32_t { kTensor, kNone, kDefault, kStructure, kList, kDictionary };

struct Reader {
  const Given* next;
  const Given* end;

  c10::IValue read(const TypePtr& expected, const std::optional<c10::IValue>& by_default) {
    TORCH_CHECK(next != end, "too few values are given");
    const Given& token = *next++;
    TypePtr type = expected;
    if (token.kind != kNone) {
      while (auto optional = type->cast<OptionalType>()) type = optional->getElementType();
    }
    switch (token.kind) {
      case kTensor: return *token.tensor;
      case kNone: return {};
      case kDefault:
        TORCH_CHECK(by_default.has_value(), "an input without a default is left out");
        return *by_default;
      case kStructure: {
        auto tuple = type->expect<TupleType>();
        TORCH_CHECK(tuple->elements().size() == token.count, "a tuple of ", tuple->elements().size(), " is given ", token.count);
        std::vector<c10::IValue> elements;
        for (const TypePtr& element : tuple->elements()) elements.push_back(read(element, std::nullopt));
        if (tuple->schema()) return c10::ivalue::Tuple::createNamed(std::move(elements), tuple);
        return c10::ivalue::Tuple::create(std::move(elements));
      }
      case kList: {
        TypePtr element = type->expect<ListType>()->getElementType();
        c10::impl::GenericList list(element);
        for (uint32_t i = 0; i < token.count; ++i) list.push_back(read(element, std::nullopt));
        return list;
      }
      case kDictionary: {
        auto dictionary = type->expect<DictType>();
        c10::impl::GenericDict entries(dictionary->getKeyType(), dictionary->getValueType());
        for (uint32_t i = 0; i < token.count; ++i) {
          TORCH_CHECK(next != end && next->key != nullptr, "an entry of a dictionary has no key");
          std::string key = next->key;
          entries.insert(key, read(dictionary->getValueType(), std::nullopt));
        }
        return entries;
      }
      default: TORCH_CHECK(false, "no value of kind ", token.kind);
    }
  }
};

void stack_arguments(const Program& program, const Given* tokens, size_t count, Stack& stack) {
  Reader reader{tokens, tokens + count};
  size_t bound = program.bound.size();
  for (size_t i = bound; i < program.graph->inputs().size(); ++i) {
    const auto by_default = i - bound < program.defaults.size() ? program.defaults[i - bound] : std::nullopt;
    stack.push_back(reader.read(program.graph->inputs()[i]->type(), by_default));
  }
  TORCH_CHECK(reader.next == reader.end, "more values are given than the model takes");
}

void emit(const c10::IValue& value, Sink sink, void* context, int64_t& index) {
  if (value.isTensor()) {
    if (value.toTensor().defined() && sink(context, index++, new at::Tensor(value.toTensor())) != 0) {
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

}  // namespace
