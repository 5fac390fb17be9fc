// Chat templates beside what jinja2 gives as transformers sets it up, and what hostile ones can do.
#include "text/jinja/jinja.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/file.h"
#include "support/errors.h"
#include "support/paths.h"

namespace falconer::test {
namespace {

using nlohmann::ordered_json;

ordered_json read_golden(const char* name) {
  return ordered_json::parse(read_text_file(std::string(source_dir()) + "/tests/golden/" + name));
}

/// What a template gives; "error: ..." where it fails.
std::string render(const std::string& source, const ordered_json& variables,
                   const JinjaLimits& limits = {}) {
  try {
    const JinjaTemplate parsed(source, "template");
    JinjaHeap heap(limits);
    std::vector<std::pair<std::string_view, JinjaValue>> given;
    for (const auto& [name, value] : variables.get_ref<const ordered_json::object_t&>())
      given.emplace_back(name, heap.from_json(value, false));
    return parsed.render(given, heap).text();
  } catch (const Error& error) {
    return std::string("error: ") + error.what();
  }
}

TEST(Jinja, EveryConstructAsJinja2) {
  const ordered_json golden = read_golden("jinja_cases.json");
  for (const ordered_json& one : golden["cases"]) {
    const std::string source = one["template"];
    const std::string text = render(source, golden["variables"]);
    if (one["expected"].is_null())
      EXPECT_TRUE(text.starts_with("error: template: line ")) << source << "\n" << text;
    else
      EXPECT_EQ(text, one["expected"].get<std::string>()) << source;
  }
}

TEST(Jinja, TemplatesOfPopularModelsAsJinja2) {
  const ordered_json golden = read_golden("chat_templates.json");
  for (const ordered_json& model : golden["templates"])
    for (const ordered_json& one : model["cases"]) {
      const ordered_json& conversation =
          golden["conversations"][one["conversation"].get<std::string>()];
      ordered_json variables = model["special"];
      variables["messages"] = conversation["messages"];
      variables["tools"] = conversation.value("tools", ordered_json());
      variables["documents"] = nullptr;
      variables["add_generation_prompt"] = one["prompt"];
      const std::string text = render(model["template"], variables);
      const std::string where =
          model["name"].get<std::string>() + ", " + one["conversation"].get<std::string>();
      if (one["expected"].is_null())
        EXPECT_TRUE(text.starts_with("error: ")) << where << "\n" << text;
      else
        EXPECT_EQ(text, one["expected"].get<std::string>()) << where;
    }
}

std::string digest_of(const std::string& text) {
  Digest hash = Digest::sha256();
  hash.update(text);
  return hash.finish().substr(0, 16);
}

// Digests of what jinja2 gave, which tests/ecosystem/chat_families.py wrote and compares text by text.
TEST(Jinja, TemplatesOfFamiliesOverConversationsAsJinja2) {
  const ordered_json golden = read_golden("chat_families.json");
  for (const ordered_json& model : golden["templates"]) {
    const auto name = model["name"].get<std::string>();
    const std::string source = read_text_file(std::string(source_dir()) +
                                              "/tests/golden/chat_families/" + name + ".jinja");
    for (const auto& [which, digests] : model["digests"].items())
      for (const bool prompt : {false, true}) {
        const ordered_json& conversation = golden["conversations"][which];
        ordered_json variables = model["special"];
        variables["messages"] = conversation["messages"];
        variables["tools"] = conversation.value("tools", ordered_json());
        variables["documents"] = nullptr;
        variables["date_string"] = "30 Nov 2026";
        variables["add_generation_prompt"] = prompt;
        const std::string text = render(source, variables);
        const ordered_json& expected = digests[prompt ? 1 : 0];
        if (expected.is_null())
          EXPECT_TRUE(text.starts_with("error: ")) << name << ", " << which << "\n" << text;
        else
          EXPECT_EQ(digest_of(text), expected.get<std::string>())
              << name << ", " << which << (prompt ? ", prompt\n" : "\n") << text;
      }
  }
}

TEST(Jinja, ErrorsNameTheLineAndTheConstruct) {
  const auto refused = [](const std::string& source, std::initializer_list<const char*> parts) {
    const std::string text = render(source, ordered_json::object());
    EXPECT_TRUE(text.starts_with("error: ")) << text;
    expect_mentions(text, parts);
  };
  refused("a\n{% include 'x' %}", {"template", "line 2", "include"});
  refused("a\nb\n{{ x | frobnicate }}", {"line 3", "frobnicate"});
  refused("\n{{ x is frobnicated }}", {"line 2", "frobnicated"});
  refused("\n\n{{ 'a'.frobnicate() }}", {"line 3", "frobnicate", "string"});
  refused("{{ missing.attr }}", {"line 1", "missing"});
  refused("{% for x in [1] %}\n{{ loop([2]) }}{% endfor %}", {"line 2", "recursive"});
  refused("{% if x %}\n", {"endif"});
  refused("\n{{ raise_exception('only two turns') }}", {"line 2", "only two turns"});
  refused("{{ dict(**5) }}", {"**arguments", "number"});
  refused("{{ '1' | int(0, 1) }}", {"base 1"});
}

TEST(Jinja, ErrorsNameWhatThereIs) {
  const auto refused = [](const std::string& source, std::initializer_list<const char*> parts) {
    expect_mentions(render(source, ordered_json::object()), parts);
  };
  refused("{{ x | frobnicate }}", {"batch", "format", "groupby", "map", "truncate", "xmlattr"});
  refused("{{ [1] | map('frobnicate') | list }}", {"frobnicate", "center", "selectattr"});
  refused("{{ x is frobnicated }}", {"divisibleby", "sameas", "filter"});
  refused("{{ [1] | select('frobnicated') | list }}", {"frobnicated", "divisibleby"});
  refused("{{ 'a'.frobnicate() }}", {"casefold", "format", "partition", "upper", "zfill"});
  refused("{{ [].append(1) }}", {"append", "copy, count, index"});
  refused("{{ {}.update({}) }}", {"update", "get", "values"});
  refused("{% for x in [1] %}{{ loop.frobnicate() }}{% endfor %}", {"changed, cycle"});
  refused("{% do x %}", {"do", "call", "filter", "macro", "with"});
  for (const char* lacking : {"random", "striptags", "pprint", "urlize", "wordwrap"})
    refused(std::string("{{ x | ") + lacking + " }}", {"line 1", lacking, "Falconer has none"});
  refused("{{ lipsum() }}", {"lipsum", "Falconer has none"});
}

TEST(Jinja, HostileTemplatesEnd) {
  JinjaLimits limits{.steps = 200'000, .bytes = size_t{8} << 20, .output = size_t{1} << 16};
  const auto refused = [&](const std::string& source, const char* part) {
    const std::string text = render(source, ordered_json::object(), limits);
    EXPECT_TRUE(text.starts_with("error: ")) << source << "\n" << text.substr(0, 200);
    expect_mentions(text, {part});
  };
  const std::string deep = "{% for a in range(99999) %}", end = "{% endfor %}";
  refused(deep + deep + deep + end + end + end, "steps");
  refused("{% set ns = namespace(x='aaaa') %}" + deep + "{% set ns.x = ns.x + ns.x %}" + end, "MB");
  refused(deep + "aaaaaaaaaaaaaaaaaaaaaaaa" + end, "writes more");
  refused("{{ 'a' * 1000000000 }}", "too long");
  refused("{{ [0] * 1000000000 }}", "too long");
  refused("{{ 'a' * 9223372036854775807 }}", "too long");
  refused("{{ 9 ** 999999 }}", "too large");
  refused("{{ 9223372036854775807 + 1 }}", "too large");
  refused("{{ range(10 ** 12) }}", "range");
  refused("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "deep");
  refused("{% set ns = namespace(x=[]) %}" + deep + "{% set ns.x = [ns.x] %}" + end, "deep");
  refused(
      "{% set ns = namespace(a=[1], b=[1]) %}{% for i in range(60) %}{% set ns.a = [ns.a, ns.a] %}"
      "{% set ns.b = [ns.b, ns.b] %}{% endfor %}{{ ns.a == ns.b }}",
      "steps");
  refused(
      "{% set ns = namespace(a=['x']) %}{% for i in range(60) %}{% set ns.a = [ns.a, ns.a] %}"
      "{% endfor %}{{ ns.a | tojson }}",
      "more than");
  refused("{{ " + std::string(10000, '(') + "x" + std::string(10000, ')') + " }}", "deep");
  refused("{{ " + std::string(10000, '[') + " }}", "bracket");
  refused("{{ " + std::string(10000, '-') + "1 }}", "deep");
  for (const char* wide : {"'%1000000000d' % 1",
                           "'%-1000000000d' % 1",
                           "'%01000000000d' % 1",
                           "'%1000000000s' % 'a'",
                           "'%99999999999999999999d' % 1",
                           "'%*d' % (1000000000, 1)",
                           "'%.1000000000f' % 1.5",
                           "'%.1000000000d' % 1",
                           "'%.*e' % (1000000000, 1)",
                           "'{:1000000000}'.format(1)",
                           "'{:>1000000000}'.format('a')",
                           "'{:01000000000,}'.format(1)",
                           "'{:.1000000000f}'.format(1.5)",
                           "'{:.1000000000}'.format(1.5)",
                           "'{:{}}'.format('a', 1000000000)",
                           "'%1000000000d' | format(1)",
                           "'a' | center(10 ** 9)",
                           "'a'.center(10 ** 9)",
                           "'a'.ljust(10 ** 9)",
                           "'a'.rjust(10 ** 18, 'ü')",
                           "'a'.zfill(10 ** 9)",
                           "'a\\tb'.expandtabs(10 ** 9)",
                           "'a\\nb' | indent(10 ** 9)",
                           "[1] | tojson(indent=10 ** 9)",
                           "'a' | format | center(10 ** 18)"})
    refused(std::string("{{ ") + wide + " }}", "too long");
  refused("{{ [1] | batch(10 ** 9, 0) | list }}", "memory");
  refused("{{ [1] | slice(10 ** 9) | list }}", "more than");
  refused("{{ ('9' * 30) | int }}", "too large");
  refused("{{ '{:99999999999999999999}'.format(1) }}", "too large");
  refused("{% for a in [1] recursive %}{{ loop([a]) }}{% endfor %}", "deep");
  refused("{% for a in range(99999) recursive %}{{ loop(range(99999)) }}{% endfor %}", "more than");
  refused("{% for a in [1, 2] recursive %}{{ loop([1, 2]) if loop.depth < 30 }}{% endfor %}",
          "more than");
  refused("{% macro m() %}{% call m() %}{{ caller() }}{% endcall %}{% endmacro %}{{ m() }}",
          "deep");
  refused(
      "{% macro m() %}{{ caller() }}{{ m(caller=caller) }}{% endmacro %}{% call m() %}{% endcall "
      "%}",
      "deep");
  refused(
      "{% set ns = namespace(x='a') %}" + deep +
          "{% set ns.x %}{% filter replace('a', 'aaaa') %}{{ ns.x }}{% endfilter %}{% endset %}" +
          end,
      "MB");
  refused(deep + "{{ dict(**{'a': namespace(*[])}) }}{{ range(*[99999]) }}" + end, "more than");
  refused(deep + "{{ '%9999s' | format(a) }}" + end, "more than");
  refused("{% set j = joiner('a' * 60000) %}" + deep + "{{ j() }}" + end, "more");
  std::string sum = "1", nots, ifs;
  for (int i = 0; i < 10000; ++i) {
    sum += "+1";
    nots += "not ";
    ifs += "{% if 1 %}";
  }
  refused("{{ " + sum + " }}", "deep");
  refused("{{ " + nots + "1 }}", "deep");
  refused(ifs, "deep");
}

TEST(Jinja, ANamespaceInItselfIsNoLoop) {
  EXPECT_EQ(render("{% set ns = namespace() %}{% set ns.me = ns %}{{ ns.me.me == ns }}",
                   ordered_json::object()),
            "True");
  const std::string text =
      render("{% set ns = namespace() %}{% set ns.me = [ns] %}{{ ns.me }}|{{ ns.me == ns.me }}",
             ordered_json::object());
  EXPECT_EQ(text, "[<namespace>]|True");
}

/// Data in brackets.
std::string marked(const std::string& source) {
  const JinjaTemplate parsed(source, "template");
  const ordered_json list = ordered_json::parse(R"([{"k":"v"},"w"])");
  JinjaHeap heap{JinjaLimits{}};
  const std::vector<std::pair<std::string_view, JinjaValue>> given = {
      {"d", heap.view("Data, data", true)}, {"l", heap.from_json(list, true)}};
  const MarkedText text = parsed.render(given, heap);
  std::string shown;
  size_t begin = 0;
  for (const MarkedText::Part& part : text.parts()) {
    const std::string bytes = text.text().substr(begin, part.end - begin);
    shown += part.data ? "[" + bytes + "]" : bytes;
    begin = part.end;
  }
  return shown;
}

TEST(Jinja, WhatIsMadeOfDataIsData) {
  EXPECT_EQ(marked("<a>{{ d }}<b>"), "<a>[Data, data]<b>");
  EXPECT_EQ(marked("{{ '<a>' + d + '<b>' }}{{ '<' ~ d ~ '>' }}"),
            "<a>[Data, data]<b><[Data, data]>");
  EXPECT_EQ(marked("{{ ('<' + d + '>')[:3] }}{{ d[5:] }}{{ d[::-1] }}"), "<[Da dataatad ,ataD]");
  EXPECT_EQ(marked("{{ d | upper }} {{ d.lower() }} {{ ('<' + d) | title }}"),
            "[DATA, DATA] [data, data] <[Data, Data]");
  EXPECT_EQ(marked("{{ d.split(', ')[0] }}{{ d.split()[1].strip('a') }}"), "[Datadat]");
  EXPECT_EQ(marked("{{ d | replace('a', '<x>') }}"), "[D]<x>[t]<x>[, d]<x>[t]<x>");
  EXPECT_EQ(marked("{{ '<x>' | replace('x', d) }}"), "<[Data, data]>");
  EXPECT_EQ(marked("{{ [d, '<x>'] | join('|') }}"), "[Data, data]|<x>");
  EXPECT_EQ(marked("{{ l | tojson }}{{ [1] | tojson }}{{ l }}"),
            R"([[{"k": "v"}, "w"]][1][[{'k': 'v'}, 'w']])");
  EXPECT_EQ(marked("{% set x %}<{{ d }}>{% endset %}{{ x }}"), "<[Data, data]>");
  EXPECT_EQ(marked("{% macro m(a) %}<{{ a }}>{% endmacro %}{{ m(d) }}"), "<[Data, data]>");
  EXPECT_EQ(marked("{{ d.format(1) }}{{ 'a'.replace('', d[0]) }}"), "[Data, dataD]a[D]");
  EXPECT_EQ(marked("{{ d.partition(', ') | join }} {{ d.swapcase() }} {{ d.casefold() }}"),
            "[Data, data] [dATA, DATA] [data, data]");
  EXPECT_EQ(
      marked("{{ d.splitlines()[0] }}{{ (d ~ '<').rsplit(' ', 1)[1] }}{{ d.removeprefix('D') }}"),
      "[Data, datadata]<[ata, data]");
  EXPECT_EQ(marked("{{ d | indent }}{{ ('a\\n' + d) | indent(2) }}"),
            "[Data, data]a\n  [Data, data]");
}

TEST(Jinja, WhatIsLaidOutFromDataIsData) {
  EXPECT_EQ(marked("{{ '%s|%3d' % (d, 3) }}{{ '<%s>' | format(d) }}"),
            "[Data, data]|  3<[Data, data]>");
  EXPECT_EQ(marked("{{ '%.4s;%r' % (d, d) }}"), "[Data];['Data, data']");
  EXPECT_EQ(marked("{{ '%(a)12s' % {'a': d} }}{{ d % () }}"), "  [Data, dataData, data]");
  EXPECT_EQ(marked("{{ '%c' % 60 }}{{ '{:c}'.format(124) }}"), "[<|]");  // numbers may be data's
  EXPECT_EQ(marked("{{ '<{:>12}>{!r}'.format(d, d) }}"), "<  [Data, data]>['Data, data']");
  EXPECT_EQ(marked("{{ '<{:.{n}}{a[k]}>'.format(d, n=4, a={'k': d}) }}"), "<[DataData, data]>");
  EXPECT_EQ(marked("{{ ('{:' ~ d[0] ~ '>3}').format('x') }}"), "[DD]x");
  EXPECT_EQ(marked("{{ d | center(12) }}{{ 'x'.center(5, d[0]) }}{{ 'x'.rjust(3, d[1]) }}"),
            " [Data, data] [DD]x[DDaa]x");
  EXPECT_EQ(marked("{{ ('<' ~ d ~ '>').ljust(13, '.') }}{{ d.zfill(12) }}"),
            "<[Data, data]>.00[Data, data]");
  EXPECT_EQ(
      marked("{{ d | truncate(7, true, '>', 0) }}{{ 'x y' | truncate(2, end=d[0], leeway=0) }}"),
      "[Data, ]>x[D]");
  EXPECT_EQ(marked("{{ d | urlencode }}{{ {'k': d} | urlencode }}{{ {'k': d} | xmlattr }}"),
            "[Data%2C%20data]k=[Data%2C+data] k=\"[Data, data]\"");
  EXPECT_EQ(marked("{{ [{'k': d}] | groupby('k') | map(attribute='grouper') | join }}"),
            "[Data, data]");
  EXPECT_EQ(marked("{{ [d, '<', d] | batch(2) | map('join') | join('|') }}"),
            "[Data, data]<|[Data, data]");
}

TEST(Jinja, WhatBlocksMakeOfDataIsData) {
  EXPECT_EQ(
      marked(
          "{% macro m() %}<{{ caller(d) }}>{% endmacro %}{% call(x) m() %}({{ x }}){% endcall %}"),
      "<([Data, data])>");
  EXPECT_EQ(marked("{% filter upper %}<a>{{ d }}{% endfilter %}"), "<A>[DATA, DATA]");
  EXPECT_EQ(
      marked("{% for x in [[d]] recursive %}{% if x is string %}{{ x }}{% else %}<{{ loop(x) }}>"
             "{% endif %}{% endfor %}"),
      "<[Data, data]>");
  EXPECT_EQ(marked("{% set j = joiner(d) %}{{ j() }}a{{ j() }}{% print '<', d %}"),
            "a[Data, data]<[Data, data]");
  EXPECT_EQ(marked("{% macro m(a) %}<{{ a }}{{ varargs[0] }}{{ kwargs.k }}>{% endmacro %}"
                   "{{ m(*['x', d], **{'k': d}) }}{{ cycler(d).next() }}"),
            "<x[Data, dataData, data]>[Data, data]");
}

}  // namespace
}  // namespace falconer::test
