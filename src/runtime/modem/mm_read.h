// modem: what ModemManager says, as values. What makes no sense is left out. Sends nothing.
#pragma once

#include <systemd/sd-bus.h>

#include <map>
#include <string>
#include <vector>

#include "runtime/modem/radio.h"

namespace pmos::modem {

struct ModemObject {
    Line line;
    std::string sim;
    std::vector<std::string> calls, texts, bearers;  // paths
};

// Of GetManagedObjects' answer, by path. Negative: it cannot be read.
int read_objects(sd_bus_message* message, std::map<std::string, ModemObject>& out);
// Of GetAll's answers.
int read_call(sd_bus_message* message, RadioCall& out);
int read_text(sd_bus_message* message, RadioText& out);
int read_bearer(sd_bus_message* message, RadioBearer& out);
int read_sim(sd_bus_message* message, std::vector<std::string>& emergency);

}  // namespace pmos::modem
