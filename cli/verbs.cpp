// cli: the table of verbs. A new verb is a line here and a function in its group's file.
#include "cli/verbs.h"

#include <array>

#include "cli/verbs_devices.h"
#include "cli/volume_address.h"

namespace pmos::cli {
namespace {

constexpr std::string_view kSee = "See";
constexpr std::string_view kRun = "Run";
constexpr std::string_view kVolumes = "Volumes";
constexpr std::string_view kInside = "Inside a mode";
constexpr std::string_view kDevices = "Devices";
constexpr std::string_view kImages = "Images";
constexpr std::string_view kPolicy = "Policy";

constexpr std::array kVerbs{
    Verb{"status", kSee, "show every mode: state, foreground, lock", attach_status},
    Verb{"list", kSee, "print the names of the modes", attach_list},
    Verb{"inspect", kSee, "print a mode's resolved plan as JSON", attach_inspect},
    Verb{"logs", kSee, "print what a mode has written", attach_logs},
    Verb{"events", kSee, "print what happens, as it happens", attach_events},
    Verb{"doctor", kSee, "say what this phone lacks, and for which profile key", attach_doctor},
    Verb{"version", kSee, "print the versions of pmosctl and pmosd", attach_version},
    Verb{"start", kRun, "start a mode", attach_start},
    Verb{"stop", kRun, "stop a mode, or all of them", attach_stop},
    Verb{"restart", kRun, "stop a mode and start it again", attach_restart},
    Verb{"switch", kRun, "bring a mode to the foreground", attach_switch},
    Verb{"notify", kRun, "say that the screen was locked or unlocked, or that the phone will sleep",
         attach_notify},
    Verb{"provision", kVolumes, "make a mode's volumes", attach_provision},
    Verb{"unlock", kVolumes, "open a mode's volumes and start it", attach_unlock},
    Verb{"lock", kVolumes, "take a mode's keys out of memory", attach_lock},
    Verb{"erase", kVolumes, "destroy a mode's volumes, with its keys first", attach_erase},
    Verb{"duress set", kVolumes, "set a PIN that erases a mode instead of opening it",
         attach_duress_set},
    Verb{"duress remove", kVolumes, "have no PIN that erases a mode", attach_duress_remove},
    Verb{"volume list", kVolumes, "show the volumes of every mode", attach_volume_list},
    Verb{"volume info", kVolumes, "show all there is to tell of a mode's volumes",
         attach_volume_info},
    Verb{"volume passwd", kVolumes, "put a new PIN in place of the old one", attach_volume_passwd},
    Verb{"volume resize", kVolumes, "make an open volume larger", attach_volume_resize},
    Verb{"volume wipe-free", kVolumes, "overwrite what deleted files have left",
         attach_volume_wipe_free},
    Verb{"volume trim", kVolumes, "tell a volume's storage which blocks are free",
         attach_volume_trim},
    Verb{"volume reencrypt", kVolumes, "give a volume another key, and write its data anew",
         attach_volume_reencrypt},
    Verb{"volume backup", kVolumes, "write a volume's header into a file", attach_volume_backup},
    Verb{"volume restore", kVolumes, "bring a volume's header back from a file",
         attach_volume_restore},
    Verb{"auth list", kVolumes, "show who can open a mode's volume", attach_auth_list},
    Verb{"auth enroll", kVolumes, "add another way to open it", attach_auth_enroll},
    Verb{"auth remove", kVolumes, "take one away", attach_auth_remove},
    Verb{"auth test", kVolumes, "try a secret without opening anything", attach_auth_test},
    Verb{"auth open-escrow", kVolumes, "unseal what was sealed to your key, without pmosd",
         attach_auth_open_escrow},
    Verb{"exec", kInside, "run a command in a running mode", attach_exec, true},
    Verb{"shell", kInside, "open a shell in a running mode", attach_shell, true},
    Verb{"devices list", kDevices, "show the devices of this phone by class, and whose they are",
         attach_devices_list},
    Verb{"devices who", kDevices, "show which processes have them open now", attach_devices_who},
    Verb{"devices usage", kDevices, "show what each mode uses of the GPUs, as their drivers tell",
         attach_devices_usage},
    Verb{"devices grants", kDevices, "show what a mode's profile says of each class",
         attach_devices_grants},
    Verb{"modem status", kDevices, "show the modems, and how much each mode has of them",
         attach_modem_status},
    Verb{"modem call", kDevices, "make an emergency call, without pmosd", attach_modem_call},
    Verb{"modem hangup", kDevices, "end it", attach_modem_hangup},
    Verb{"modem sms", kDevices, "show how many messages each mode has", attach_modem_sms},
    Verb{"net status", kDevices, "show what network each mode has, and how its tunnel does",
         attach_net_status},
    Verb{"net top", kDevices, "show whom each mode speaks with, and how much", attach_net_top},
    Verb{"net trace", kDevices, "show whether a mode reaches a destination, and which line says so",
         attach_net_trace},
    Verb{"net key", kDevices, "make, import or show the key of a mode's tunnel", attach_net_key},
    Verb{"handset detect", kDevices, "describe the devices of this phone, without pmosd",
         attach_handset_detect},
    Verb{"handset check", kDevices, "check such a description, without pmosd",
         attach_handset_check},
    Verb{"image build", kImages, "make a mode's image out of a directory or a tar",
         attach_image_build},
    Verb{"image import", kImages, "make a mode's image out of an OCI image layout",
         attach_image_import},
    Verb{"image verify", kImages, "hold an image against its root hash", attach_image_verify},
    Verb{"policy check", kPolicy, "check profiles, without pmosd", attach_policy_check},
    Verb{"policy show", kPolicy, "print a mode's profile, merged, with its origins",
         attach_policy_show},
    Verb{"policy explain", kPolicy, "say whether a mode may do something, and why",
         attach_policy_explain},
    Verb{"policy separation", kPolicy, "show what flows between modes, and by which lines",
         attach_policy_separation},
    Verb{"policy diff", kPolicy, "say who gains or loses what from one policy to another",
         attach_policy_diff},
    Verb{"policy report", kPolicy, "write all of it as one page to read", attach_policy_report},
    Verb{"policy map", kPolicy, "draw the modes and what they share", attach_policy_map},
    Verb{"policy score", kPolicy, "show how exposed each mode is", attach_policy_score},
    Verb{"policy export-oci", kPolicy, "write a mode as a bundle for other runtimes",
         attach_policy_export_oci},
    Verb{"policy test", kPolicy, "hold expectations against the profiles, and the phone",
         attach_policy_test},
    Verb{"policy try", kPolicy, "try something in a running mode, for real", attach_policy_try},
    Verb{"policy record", kPolicy, "run a mode and propose what its profile lacks",
         attach_policy_record},
    Verb{"policy rules", kPolicy, "list the rules that findings name", attach_policy_rules},
    Verb{"policy explain-rule", kPolicy, "say what a rule means, with an example",
         attach_policy_explain_rule},
    Verb{"policy keygen", kPolicy, "make a key that signs bundles", attach_policy_keygen},
    Verb{"policy pack", kPolicy, "make a bundle of profiles and what they name",
         attach_policy_pack},
    Verb{"policy sign", kPolicy, "sign a bundle", attach_policy_sign},
    Verb{"policy copy", kPolicy, "carry a bundle into an OCI layout, or out of one",
         attach_policy_copy},
    Verb{"policy verify", kPolicy, "say who signed a bundle, and what is in it",
         attach_policy_verify},
    Verb{"policy install", kPolicy, "give a signed bundle to this phone", attach_policy_install},
    Verb{"policy status", kPolicy, "show which policy this phone uses", attach_policy_status},
    Verb{"policy confirm", kPolicy, "say that the policy on trial is good", attach_policy_confirm},
    Verb{"policy reject", kPolicy, "go back to the policy before the one on trial",
         attach_policy_reject},
    Verb{"reload", kPolicy, "have pmosd read the profiles again", attach_reload},
};

}  // namespace

std::span<const Verb> verbs() { return kVerbs; }

}  // namespace pmos::cli
