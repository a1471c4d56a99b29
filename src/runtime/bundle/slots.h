// bundle: install, start, confirm and reject, on two slots and a ledger. Every one of them can be
// cut off anywhere and leaves what was before or what it was to bring about.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "policy/bundle_key.h"
#include "runtime/bundle/disk.h"
#include "runtime/bundle/floor.h"
#include "runtime/bundle/ledger.h"
#include "runtime/bundle/protocol.h"

namespace pmos::bundle {

// What a bundle is measured by.
struct Phone {
    std::vector<policy::PublicKey> trusted;
    std::string model;  // "": not said
    // Where the images and hooks are what the bundle pins, what they look like now.
    std::function<Result<std::vector<VerifiedPin>>(const policy::Bundle&)> check_pins;
    FloorKeeper* keeper = nullptr;  // of the floor, beside the ledger
    FloorIn floor_in = FloorIn::file;
};

class Slots {
  public:
    Slots(Disk& disk, const Phone& phone)
        : disk_(disk), phone_(phone), floor_(phone.keeper, phone.floor_in) {}

    // Another pmosd begins: the trial, if it may be tried once more, else the good one.
    Result<Report> start();
    // The same without counting.
    Result<Report> current();
    // A bundle becomes the trial. at_once: a pmosd that runs goes over to it: its first try.
    Result<Report> install(const std::string& bytes, bool at_once = false);
    // The trial becomes the good one, and the floor its version.
    Result<Report> confirm();
    Result<Report> reject(const std::string& why);
    // pmosd ended in order: its start does not count against the trial.
    Result<Report> ended();

  private:
    struct Candidate {
        policy::GenuineBundle genuine;
        Report report;
    };
    Result<> load();
    void bring_keeper_up();
    Result<> save(const Ledger& next);
    Result<Candidate> examine(const std::string& name, const std::string& bytes) const;
    Result<Candidate> examine(Slot slot) const;
    Result<Report> choose();
    Result<> meant_for_us(const policy::Bundle& bundle) const;
    Result<> newer_than_good(const policy::Bundle& bundle, const std::string& bytes) const;

    Disk& disk_;
    const Phone& phone_;
    Ledger ledger_;
    Floor floor_;
};

}  // namespace pmos::bundle
