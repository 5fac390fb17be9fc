#include "text/prompt_encoder.h"

#include <algorithm>

#include "base/error.h"

namespace falconer {

void drop_spelled_ends(Conversation& conversation, const Tokenizer& tokenizer) {
  if (!tokenizer.eos_id()) return;
  const std::string end = tokenizer.token_bytes(*tokenizer.eos_id());
  for (Message& message : conversation.messages) {
    std::string& text = message.content;
    const size_t last = text.find_last_not_of(" \t\r\n");
    if (!message.is_assistant() || last == std::string::npos) continue;
    const std::string_view whole(text.data(), last + 1);
    if (whole.size() > end.size() && whole.ends_with(end)) text.resize(last + 1 - end.size());
  }
}

PromptEncoder::PromptEncoder(const Tokenizer& tokenizer, const PromptStyle& style,
                             bool parse_special, bool joint)
    : tokenizer_(tokenizer),
      style_(style),
      special_(tokenizer.special_names()),
      parse_special_(parse_special || joint),
      joint_(joint || tokenizer.prepends()) {  // each part would get what it puts before a text
  // A checkpoint's own template sees what its configuration names. Ours end answers with the
  // end-of-text token wherever it was named.
  if (style.is_chat_template()) return;
  const auto eos = tokenizer.eos_id();
  special_["eos_token"] = eos ? tokenizer.token_bytes(*eos) : "";
}

MarkedText PromptEncoder::text(const Conversation& conversation, bool prompt) const {
  return style_.render(conversation, conversation.messages.size(), prompt, special_);
}

std::optional<std::string> PromptEncoder::rendered_text(const Conversation& conversation) const {
  const auto made = rendered(conversation, conversation.messages.size(), false);
  return made ? std::optional(made->text()) : std::nullopt;
}

// Nothing where the template refuses a part of what it renders as a whole.
std::optional<MarkedText> PromptEncoder::rendered(const Conversation& conversation, size_t count,
                                                  bool prompt) const {
  try {
    return style_.render(conversation, count, prompt, special_);
  } catch (const Error&) {
    return {};
  }
}

void PromptEncoder::append(const MarkedText& text, size_t begin, size_t end,
                           std::vector<int32_t>& ids) const {
  if (begin >= end) return;
  if (begin == 0 && end == text.size()) return tokenizer_.append_marked(text, parse_special_, ids);
  tokenizer_.append_marked(text.part(begin, end), parse_special_, ids);
}

// Where the conversation `with` that ends with an answer, whose content ends at `content_end`, and
// the whole one part: behind `with`, where the whole one goes on from there. Where a template ends
// the last answer another way, the texts may part anywhere, within a marker too ("<|end" of one and
// "<|user" of the other have "<|" in common): then behind the last special token before that. Nothing
// where they part within the answer: it is written another way later.
std::optional<size_t> PromptEncoder::end_of_answer(const MarkedText& with, const MarkedText& all,
                                                   size_t content_end) const {
  if (all.text().starts_with(with.text())) return with.size();
  const auto parted =
      std::mismatch(with.text().begin(), with.text().end(), all.text().begin(), all.text().end());
  const auto end = static_cast<size_t>(parted.first - with.text().begin());
  if (end < content_end) return {};
  return content_end + tokenizer_.end_of_last_special(
                           std::string_view(with.text()).substr(content_end, end - content_end));
}

// Where a conversation that an answer begins has that answer's text, with the blanks that the template
// writes before it: there is no prompt that it would have to follow. Many a template writes what an
// answer is appended to in another way where nothing comes before.
size_t begin_of_first_answer(const MarkedText& with) {
  size_t begin = with.begin_of_data(0, with.size());
  while (begin > 0 && with.text()[begin - 1] == ' ' && with.is_template(begin - 1, begin)) --begin;
  return begin;
}

// An answer begins behind what is rendered before it, with the beginning of an answer, and ends
// where the conversation that ends with it and the whole one part.
std::vector<PromptEncoder::Place> PromptEncoder::places(const Conversation& conversation,
                                                        const MarkedText& all, bool prompt,
                                                        std::vector<size_t>& untold) const {
  std::vector<Place> found;
  const auto& messages = conversation.messages;
  for (size_t i = 0; i < messages.size(); ++i) {
    if (!messages[i].is_assistant()) continue;
    const bool is_whole = !prompt && i + 1 == messages.size();
    const auto before = rendered(conversation, i, true);
    const auto with = is_whole ? all : rendered(conversation, i + 1, false);
    std::optional<size_t> end;
    Place place{.message = i};
    const bool follows = before && with && all.text().starts_with(before->text()) &&
                         with->text().starts_with(before->text());
    if (follows || (i == 0 && with)) {
      place.begin = follows ? before->size() : begin_of_first_answer(*with);
      place.content_end = with->end_of_data(place.begin, with->size());
      end = end_of_answer(*with, all, place.content_end);
    }
    if (!end || (!found.empty() && place.begin < found.back().end)) {
      untold.push_back(i);
      continue;
    }
    place.end = *end;
    found.push_back(place);
  }
  return found;
}

// Of the ids behind an answer's content: up to its last special token, which ends the turn; all of
// them where there is none. A line end behind the token is never generated.
size_t PromptEncoder::learned_of_ending(const std::vector<int32_t>& ids) const {
  for (size_t i = ids.size(); i > 0; --i)
    if (tokenizer_.is_special(ids[i - 1])) return i;
  return ids.size();
}

EncodedConversation PromptEncoder::encode(const MarkedText& text,
                                          const std::vector<Place>& places) const {
  EncodedConversation made;
  if (!style_.is_chat_template()) made.ids = tokenizer_.ids_before();
  size_t done = 0;
  std::vector<int32_t> ending;
  for (const Place& place : places) {
    append(text, done, place.begin, made.ids);
    const size_t begin = made.ids.size();
    append(text, place.begin, place.content_end, made.ids);
    ending.clear();
    append(text, place.content_end, place.end, ending);
    const size_t learned = learned_of_ending(ending);
    made.answers.push_back({place.message, begin, made.ids.size() + learned});
    made.ids.insert(made.ids.end(), ending.begin(), ending.end());
    done = place.end;
  }
  append(text, done, text.size(), made.ids);
  return made;
}

EncodedConversation PromptEncoder::encode_joint(const MarkedText& text,
                                                const std::vector<Place>& places) const {
  EncodedConversation made;
  if (!style_.is_chat_template() || !tokenizer_.prepends()) made.ids = tokenizer_.ids_before();
  const size_t before = made.ids.size();
  append(text, 0, text.size(), made.ids);
  const auto tokens_until = [&](size_t end) {
    std::vector<int32_t> ids;
    append(text, 0, end, ids);
    return std::min(before + ids.size(), made.ids.size());
  };
  for (const Place& place : places) {
    const bool whole = place.end == text.size();
    made.answers.push_back({place.message, tokens_until(place.begin),
                            whole ? made.ids.size() : tokens_until(place.end)});
  }
  return made;
}

std::vector<int32_t> PromptEncoder::prompt(const Conversation& conversation) const {
  const MarkedText all = text(conversation, true);
  std::vector<size_t> untold;
  const std::vector<Place> found = places(conversation, all, true, untold);
  return (tokenizer_.prepends() ? encode_joint(all, found) : encode(all, found)).ids;
}

EncodedConversation PromptEncoder::conversation(const Conversation& conversation) const {
  const MarkedText all = text(conversation, false);
  std::vector<size_t> untold;
  const std::vector<Place> found = places(conversation, all, false, untold);
  EncodedConversation made = joint_ ? encode_joint(all, found) : encode(all, found);
  made.untold = std::move(untold);
  return made;
}

MarkedText PromptEncoder::ending() const {
  Conversation probe = Conversation::of("a");
  probe.messages.push_back({.role = "assistant", .content = "b", .input = {}, .more = {}});
  std::vector<size_t> untold;
  try {
    const MarkedText all = text(probe, false);
    for (const Place& place : places(probe, all, false, untold))
      return all.part(place.content_end, place.end);
  } catch (const Error&) {  // a template that wants more of a conversation than one question
  }
  return {};
}

std::vector<int32_t> PromptEncoder::end_of_turn_ids() const {
  std::vector<int32_t> ids, special;
  const MarkedText behind = ending();
  append(behind, 0, behind.size(), ids);
  for (const int32_t id : ids)
    if (tokenizer_.is_special(id)) special.push_back(id);
  return special;
}

std::string PromptEncoder::end_of_turn_text() const {
  if (!end_of_turn_ids().empty()) return {};
  std::string behind = ending().text();
  behind.resize(behind.find_last_not_of(" \t\r\n") + 1);
  return behind;
}

}  // namespace falconer
