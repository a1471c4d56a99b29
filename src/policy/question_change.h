// policy: the change that an answer names, tried on a copy of the profile. Asks no host.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "policy/question.h"

namespace pmos::policy {

Node text_node(const std::string& text);
// The node of a key, made with what is above it where it is not there.
Node& make_key(Node& root, std::string_view path, Node::Kind kind);
// Says in the answer what `edit` would bring besides.
void weigh(const Subject& subject, Answer& answer, const std::function<void(Node&)>& edit);

}  // namespace pmos::policy
