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
    // Which one it is to be. in_use: the digest of what the pmosd that asks has; a trial that is
    // another is tried by it now, and that counts. Empty: nobody goes over to it.
    Result<Report> current(const std::string& in_use = "");
    // Verifies a bundle and writes it where nothing is in use: it may be tried. What is used, and
    // what is on trial, stays.
    Result<Report> stage(const std::string& bytes);
    // What was staged becomes the trial, and a pmosd that runs goes over to it: its first try.
    Result<Report> go_over(const std::string& sha256);
    // Both, for a pmosd that is yet to start.
    Result<Report> install(const std::string& bytes);
    // The trial becomes the good one, and the floor its version. sha256: if it is still that one;
    // "": whichever it is.
    Result<Report> confirm(const std::string& sha256 = "");
    // Given up also where that cannot be written down: then the report says so.
    Result<Report> reject(const std::string& why, const std::string& sha256 = "");
    // pmosd ended in order: its start does not count against the trial.
    Result<Report> ended();

  private:
    struct Candidate {
        policy::GenuineBundle genuine;
        Report report;
    };
    Result<> load();
    void take_floor_of_good();
    Result<> save(const Ledger& next);
    Result<Candidate> examine(const std::string& name, const std::string& bytes) const;
    Result<Candidate> examine(const Held& held) const;
    void count_try();
    void give_up(const std::string& why);
    Result<> on_trial(const std::string& sha256) const;
    Result<Report> choose();
    Result<> meant_for_us(const policy::Bundle& bundle) const;
    Result<> newer_than_good(const policy::Bundle& bundle, const std::string& bytes) const;

    Disk& disk_;
    const Phone& phone_;
    Ledger ledger_;
    Floor floor_;
    std::string unsaved_;  // why the ledger on the storage is not this one; "": it is
};

}  // namespace pmos::bundle
