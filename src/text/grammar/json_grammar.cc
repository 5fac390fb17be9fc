#include "text/grammar/json_grammar.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <deque>
#include <map>

#include "base/error.h"
#include "base/json_number.h"
#include "base/json_text.h"
#include "text/grammar/json_formats.h"
#include "text/grammar/json_rules.h"
#include "text/grammar/number_range.h"
#include "text/grammar/pattern.h"
#include "text/grammar/schema.h"
#include "text/grammar/schema_keywords.h"

namespace falconer::grammar {
namespace {

constexpr int64_t kMostCount = 100'000;  // of items and characters that are told apart

/// What `keyword` says, or nothing where it is not there.
const SchemaJson* find(const PlainSchema& schema, const char* keyword) {
  const auto found = schema.keywords.find(keyword);
  return found == schema.keywords.end() ? nullptr : &*found;
}

/// A count that `keyword` bounds.
uint32_t count_of(const PlainSchema& schema, const char* keyword, uint32_t usual) {
  const SchemaJson* value = find(schema, keyword);
  if (value == nullptr) return usual;
  const auto count = whole_value(*value);
  if (!count || *count > kMostCount)
    fail_at(schema.where, fmt::format("\"{}\" is {}; at most {} is supported", keyword,
                                      found_text(*value), kMostCount));
  return static_cast<uint32_t>(*count);
}

/// Runs `write`, and puts where the schema is before what it complains about.
template <class Write>
void within(const std::string& where, const char* keyword, const Write& write) {
  try {
    write();
  } catch (const Error& error) {
    fail_at(where, fmt::format("\"{}\": {}", keyword, error.what()));
  }
}

class SchemaWriter {
 public:
  explicit SchemaWriter(const SchemaJson& schema) : reader_(schema), rules_(writer_) {
    root_ = writer_.add_rule();
    const State begun = writer_.add_state();
    for (const char byte : {' ', '\n'}) writer_.add_byte(writer_.start(root_), byte, begun);
    writer_.add_nothing(writer_.start(root_), begun);
    writer_.add_call(begun, rule_of(schema, ""), writer_.end(root_));
  }

  Grammar write() {
    while (!todo_.empty()) {  // not by calls: schemas that refer to each other can be many
      const Todo next = std::move(todo_.front());
      todo_.pop_front();
      for (const PlainSchema& plain : reader_.alternatives(next.schema, next.where))
        add_value(plain, writer_.start(next.rule), writer_.end(next.rule));
    }
    return writer_.finish(root_);
  }

 private:
  struct Todo {
    Rule rule;
    SchemaJson schema;
    std::string where;
  };

  /// Schemas that say the same share a rule.
  Rule rule_of(const SchemaJson& schema, const std::string& where) {
    if (schema == true || (schema.is_object() && schema.empty())) return rules_.value();
    const std::string key = json_text(schema);
    const auto [place, is_new] = made_.try_emplace(key, 0);
    if (is_new) {
      place->second = writer_.add_rule();
      todo_.push_back({place->second, schema, where});
    }
    return place->second;
  }

  void add_value(const PlainSchema& schema, State from, State to) {
    if (find(schema, "enum") != nullptr || find(schema, "const") != nullptr)
      return add_constants(schema, from, to);
    for (const std::string& type : types_of(schema.keywords)) {
      if (type == "null") writer_.add_text(from, "null", to);
      if (type == "boolean") writer_.add_texts(from, {"true", "false"}, to);
      if (type == "string") add_string(schema, from, to);
      if (type == "number" || type == "integer") add_number(schema, type == "integer", from, to);
      if (type == "array") add_array(schema, from, to);
      if (type == "object") add_object(schema, from, to);
    }
  }

  void add_constants(const PlainSchema& schema, State from, State to) {
    const SchemaJson* one = find(schema, "const");
    const SchemaJson* listed = find(schema, "enum");
    const auto is_listed = [&](const SchemaJson& value) {
      return one == nullptr || listed == nullptr ||
             std::find(listed->begin(), listed->end(), value) != listed->end();
    };
    const std::vector<std::string> types = types_of(schema.keywords);
    std::vector<std::string> texts;
    for (const SchemaJson& value : one != nullptr ? SchemaJson::array({*one}) : *listed) {
      const auto type = type_name(value, types);
      if (!type || !is_listed(value)) continue;
      for (const auto& [keyword, ignored] : schema.keywords.items())
        if (is_about(keyword, *type))
          fail_at(schema.where, fmt::format("\"{}\" beside \"{}\" is not supported; leave out the "
                                            "values that it forbids",
                                            keyword, one != nullptr ? "const" : "enum"));
      if (value.is_structured() && !value.empty())
        writer_.add_nothing(add_constant(value, from), to);
      else
        texts.push_back(json_text(value));
    }
    writer_.add_texts(from, std::move(texts), to);
  }

  // As it stands, but for white space. Gives where it ends.
  State add_constant(const SchemaJson& value, State from) {
    if (!value.is_structured() || value.empty()) return writer_.add_text(from, json_text(value));
    const bool list = value.is_array();
    from = add_spaced(writer_.add_text(from, list ? "[" : "{"));
    size_t left = value.size();
    for (const auto& [name, one] : value.items()) {
      if (!list) {
        const State colon = writer_.add_text(from, json_spelling(name));
        rules_.add_colon(colon, from = writer_.add_state());
      }
      from = add_constant(one, from);
      if (--left > 0) from = add_spaced(writer_.add_text(from, ","));
    }
    return writer_.add_text(add_spaced(from), list ? "]" : "}");
  }

  State add_spaced(State from) {
    const State to = writer_.add_state();
    writer_.add_call(from, rules_.space(), to);
    return to;
  }

  /// Of `types` the one that the value has.
  static std::optional<std::string> type_name(const SchemaJson& value,
                                              const std::vector<std::string>& types) {
    const auto has = [&](const char* name) {
      return std::find(types.begin(), types.end(), name) != types.end();
    };
    if (value.is_number()) {
      if (has("number")) return "number";
      const bool whole = whole_value(value).has_value();
      return has("integer") && whole ? std::optional<std::string>("integer") : std::nullopt;
    }
    const char* name = value.type_name();
    return has(name) ? std::optional<std::string>(name) : std::nullopt;
  }

  void add_string(const PlainSchema& schema, State from, State to) {
    const uint32_t least = count_of(schema, "minLength", 0);
    const uint32_t most = count_of(schema, "maxLength", kAnyRoom);
    const SchemaJson* pattern = find(schema, "pattern");
    const SchemaJson* format = find(schema, "format");
    if (pattern != nullptr && format != nullptr)
      fail_at(schema.where,
              "\"pattern\" beside \"format\" is not supported; leave out one of them");
    if (pattern == nullptr && format == nullptr) {
      if (least == 0 && most == kAnyRoom)
        writer_.add_call(from, rules_.string(), to);
      else
        rules_.add_string(from, least, most, to);
      return;
    }
    const char* keyword = pattern != nullptr ? "pattern" : "format";
    const auto text = (pattern != nullptr ? pattern : format)->get<std::string>();
    const char* known = pattern != nullptr ? text.c_str() : format_pattern(text);
    if (known == nullptr)
      fail_at(schema.where, fmt::format("\"format\" is \"{}\", supported are {}; say another in "
                                        "\"description\" and the prompt",
                                        printable(text), fmt::join(json_formats(), ", ")));
    within(schema.where, keyword, [&] {
      const std::string_view whole = pattern != nullptr ? std::string_view(text) : known;
      add_pattern(writer_, rules_, parse_pattern(whole), from, least, most, to);
    });
  }

  static std::optional<Decimal> bound_of(const PlainSchema& schema, const char* keyword) {
    const SchemaJson* value = find(schema, keyword);
    if (value == nullptr) return std::nullopt;
    const auto bound = Decimal::parse(value->dump());
    if (!bound)
      fail_at(schema.where,
              fmt::format("\"{}\" is {}, which has too many digits", keyword, value->dump()));
    return bound;
  }

  void add_number(const PlainSchema& schema, bool whole, State from, State to) {
    NumberRange range{
        .least = bound_of(schema, "minimum"), .most = bound_of(schema, "maximum"), .whole = whole};
    const auto above = bound_of(schema, "exclusiveMinimum");
    const auto below = bound_of(schema, "exclusiveMaximum");
    const auto real = [&](const char* keyword) { return find(schema, keyword)->get<double>(); };
    if (above && (!range.least || real("exclusiveMinimum") >= real("minimum"))) {
      range.least = above;
      range.above_least = true;
    }
    if (below && (!range.most || real("exclusiveMaximum") <= real("maximum"))) {
      range.most = below;
      range.below_most = true;
    }
    if (range.least || range.most)
      add_number_range(writer_, from, range, to);
    else
      writer_.add_call(from, whole ? rules_.integer() : rules_.number(), to);
  }

  void add_array(const PlainSchema& schema, State from, State to) {
    const uint32_t least = count_of(schema, "minItems", 0);
    uint32_t most = count_of(schema, "maxItems", kAnyRoom);
    const SchemaJson none = SchemaJson::array();
    const SchemaJson* prefix = find(schema, "prefixItems");
    if (prefix == nullptr) prefix = &none;
    const SchemaJson* items = find(schema, "items");
    if (items == nullptr && !prefix->empty() && least <= prefix->size())
      most = std::min(most, static_cast<uint32_t>(prefix->size()));
    const Rule rest =
        items == nullptr ? rules_.value() : rule_of(*items, pointer_to(schema.where, "items"));
    const std::string prefix_where = pointer_to(schema.where, "prefixItems");
    const State close = writer_.add_state(), first = writer_.add_state();
    writer_.add_byte(close, ']', to);
    writer_.add_call(writer_.add_text(from, "["), rules_.space(), first);
    if (least == 0) writer_.add_nothing(first, close);
    State item = first;
    for (uint32_t count = 0; count < most;) {
      const Rule rule =
          count < prefix->size()
              ? rule_of((*prefix)[count], pointer_to(prefix_where, std::to_string(count)))
              : rest;
      const State after = writer_.add_state();
      writer_.add_call(item, rule, after);
      ++count;
      if (count >= least) writer_.add_call(after, rules_.space(), close);
      if (count == most) break;
      // The first item's place may be left without one, which is not so behind a comma.
      const bool last =
          most == kAnyRoom && count > least && count > prefix->size() && item != first;
      const State next = last ? item : writer_.add_state();
      writer_.add_call(writer_.add_text(after, ","), rules_.space(), next);
      if (last) break;
      item = next;
    }
  }

  struct Property {
    std::string name;
    Rule rule;
    bool required;
  };

  std::vector<Property> properties_of(const PlainSchema& schema) {
    const SchemaJson none = SchemaJson::object();
    const SchemaJson* listed = find(schema, "properties");
    const SchemaJson* required = find(schema, "required");
    const SchemaJson* others = find(schema, "additionalProperties");
    std::map<std::string, bool> wanted;  // whether it is among the properties
    if (required != nullptr)
      for (const SchemaJson& name : *required) wanted.emplace(name.get<std::string>(), false);
    std::vector<Property> result;
    const std::string where = pointer_to(schema.where, "properties");
    for (const auto& [name, value] : (listed == nullptr ? none : *listed).items()) {
      const auto found = wanted.find(name);
      result.push_back({name, rule_of(value, pointer_to(where, name)), found != wanted.end()});
      if (found != wanted.end()) found->second = true;
    }
    for (const auto& [name, is_listed] : wanted)
      if (!is_listed)
        result.push_back({name,
                          others == nullptr
                              ? rules_.value()
                              : rule_of(*others, pointer_to(schema.where, "additionalProperties")),
                          true});
    return result;
  }

  // From each property a comma leads to all that may be next: those up to the next one that is required.
  void add_object(const PlainSchema& schema, State from, State to) {
    const std::vector<Property> properties = properties_of(schema);
    const SchemaJson* others = find(schema, "additionalProperties");
    const bool closed = others == nullptr && find(schema, "properties") != nullptr;
    if (properties.empty() && others == nullptr && !closed)
      return writer_.add_call(from, rules_.object(), to);
    const State close = writer_.add_state(), first = writer_.add_state();
    writer_.add_byte(close, '}', to);
    writer_.add_call(writer_.add_text(from, "{"), rules_.space(), first);
    State key = first;
    size_t open = 0;  // required ones that are still to come
    for (const Property& property : properties) open += property.required ? 1 : 0;
    if (open == 0) writer_.add_nothing(first, close);
    const State last = writer_.add_state();  // the key of another one
    std::vector<std::string> taken;
    for (size_t i = 0; i < properties.size(); ++i) {
      const Property& property = properties[i];
      open -= property.required ? 1 : 0;
      const State next = i + 1 == properties.size() ? last : writer_.add_state();
      const std::string spelled = json_spelling(property.name);
      taken.push_back(spelled.substr(1, spelled.size() - 2));
      const State value = writer_.add_state();
      rules_.add_colon(writer_.add_text(key, spelled), value);
      add_member(value, property.rule, next, open == 0 ? std::optional(close) : std::nullopt);
      if (!property.required) writer_.add_nothing(key, next);
      key = next;
    }
    if (properties.empty()) writer_.add_nothing(first, last);
    if (closed || (others != nullptr && *others == false)) return;
    const Rule rule = others == nullptr
                          ? rules_.value()
                          : rule_of(*others, pointer_to(schema.where, "additionalProperties"));
    const State colon = writer_.add_state(), value = writer_.add_state();
    rules_.add_other_key(last, std::move(taken), colon);
    rules_.add_colon(colon, value);
    add_member(value, rule, last, close);
  }

  // A value, and a comma or the end behind it.
  void add_member(State from, Rule rule, State next, std::optional<State> close) {
    const State after = writer_.add_state();
    writer_.add_call(from, rule, after);
    writer_.add_call(writer_.add_text(after, ","), rules_.space(), next);
    if (close) writer_.add_call(after, rules_.space(), *close);
  }

  SchemaReader reader_;
  RuleWriter writer_;
  JsonRules rules_;
  std::map<std::string, Rule> made_;
  std::deque<Todo> todo_;
  Rule root_ = 0;
};

}  // namespace

std::shared_ptr<const Grammar> any_json_object() {
  static const auto grammar =
      std::make_shared<const Grammar>(SchemaWriter(SchemaJson{{"type", "object"}}).write());
  return grammar;
}

std::shared_ptr<const Grammar> json_schema_grammar(const nlohmann::ordered_json& schema) {
  try {
    return std::make_shared<const Grammar>(SchemaWriter(schema).write());
  } catch (const Error& error) {
    fail("the JSON schema: {}", error.what());
  }
}

}  // namespace falconer::grammar
