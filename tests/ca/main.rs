//! The certificate authority, over P-256 because it is fast; what is particular to RSA uses stored requests.
//!
//! # What is asked of it, row by row
//!
//! A test without a folder is in this one; `x509`, `keystore`, `external`, `scep` and `cms` are beside it, `src` is a unit test, and
//! `real` a script in which other programs judge. `checklist` holds that each is there.
//!
//! | row | behaviour | where it lives | shown by |
//! |---|---|---|---|
//! | J1 | an authority, its certificate, a signing certificate | `Authority`, `Service`, `ProxyCertificates` | `authority::services_get_their_certificates_with_the_authority`, `external/scep_authority::a_key_store_gives_the_proxys_certificates` |
//! | J2 | nothing to configure | `Authority::create` | `authority::an_authority_is_made_from_a_name_and_a_key` |
//! | J3 | what is shown of a certificate | `Row` | `revocation::a_row_of_a_list_says_what_people_ask` |
//! | J4 | status and state | `Status`, `State` | `revocation::time_alone_leads_from_issued_over_expiring_to_expired`, `revocation::active_and_inactive_are_all_that_were_issued`, `revocation::another_authoritys_certificate_is_revoked_by_asking` |
//! | J5 | lists from counts, as CSV, text, XML | `Export`, `Inventory` | `rows::every_count_opens_the_list_of_those_it_counted`, `src/ca/export::the_three_forms_byte_for_byte`, `real/artefacts.sh` |
//! | J6 | identities for this server alone | `Profile::device_identity` | `issuance::a_device_gets_the_certificate_of_its_profile` |
//! | J7 | SCEP, and SCEP on the device's behalf | `scep::Server`, `scep::ProxyRequest` | `scep/server::a_first_request_is_opened_authorized_and_granted`, `scep/proxy::a_certificate_from_behind_reaches_the_device`, `real/clients.sh` |
//! | J8 | its certificate in PEM and DER, by number | `Authority::generation` | `authority::a_generation_is_found_by_its_number`, `rows::the_authoritys_certificate_tells_all_that_is_shown_of_it` |
//! | J9 | what is shown of the authority | `x509::Certificate` | `rows::the_authoritys_certificate_tells_all_that_is_shown_of_it` |
//! | J10 | a revocation ends access, and is logged | `CertificateRecord::revoke`, `Effect::EndAccess` | `revocation::a_revoked_certificate_ends_access_and_nothing_brings_it_back`, `real/server.sh` |
//! | J11 | a certificate for a pasted request | `Profile::web_server` | `rows::a_pasted_request_becomes_a_web_servers_certificate_in_either_encoding` |
//! | J12 | backup under a password | `Authority::backup` | `backup::everything_comes_back_and_other_programs_find_the_keys`, `real/artefacts.sh` |
//! | J13 | ten more years, services too | `Authority::renew` | `renewal::ten_more_years_under_the_same_key_leave_everything_good`, `renewal::services_get_new_keys_with_the_authority_or_alone` |
//! | J14 | notices before the end, on the day, after | `Authority::notices`, `CertificateRecord::signing_notices` | `renewal::an_operator_is_told_each_thing_once`, `renewal::notices_come_as_early_as_the_settings_say_and_read_as_lines`, `renewal::the_end_of_an_external_signing_certificate_is_told_once_each` |
//! | J15 | a failed renewal locks; a fleet is warned of | `RenewalState`, `Attention::of_fleet` | `renewal::a_failed_renewal_locks_until_an_operator_has_seen_to_it`, `rows::a_large_fleet_is_warned_of_before_it_renews_at_once` |
//! | J16 | an expired authority issues nothing | `Error::AuthorityExpired` | `issuance::no_certificate_outlives_the_authoritys`, `renewal::an_expired_authority_is_renewed_from_now_on` |
//! | J17 | devices renew after it | `Authority::renewal_due` | `renewal::certificates_owe_a_renewal_near_their_end_and_once_the_authority_was_renewed` |
//! | J18 | and near their own end | `RenewalPolicy` | `renewal::certificates_owe_a_renewal_near_their_end_and_once_the_authority_was_renewed`, `renewal::a_renewal_that_wins_nothing_is_not_owed` |
//! | J19 | renewal by hand, and for whom it is not possible | `Enrollment::expect_renewal` | `src/enrollment/tests/check_in::an_expected_renewal_keeps_everything_unless_the_device_was_erased` |
//! | J20 | what to look at afterwards | `Attention` | `renewal::notices_come_as_early_as_the_settings_say_and_read_as_lines` |
//! | J21 | other authorities answer in their own time | `external::CertificateRequest` | `external/request::a_request_goes_its_way_to_the_device`, `external/sequences::replay_makes_the_record_and_no_promise_is_broken` |
//! | J22 | counts and shares for each authority | `Inventory` | `src/ca/inventory::active_and_inactive_are_all_and_the_rest_are_parts` |
//! | J23 | Venafi, DigiCert, AD CS | `external::venafi`, `digicert`, `adcs` | `external/venafi::a_request_is_sent_and_accepted_or_denied`, `external/digicert::an_order_is_placed_with_what_its_product_asks_for`, `external/adcs::the_three_outcomes_of_a_request_are_told_apart` |
//! | J24 | their certificates renew some days before the end | `CertificateRequest::is_renewal_due`, `ScepSettings::is_redistribution_due` | `external/request::a_renewal_is_due_some_days_before_the_end`, `external/scep_authority::a_profile_is_sent_again_so_many_days_before_its_certificate_ends` |
//! | J25 | the form of an external authority | `external::ScepSettings` | `external/scep_authority::the_payload_has_every_parameter`, `external/scep_authority::settings_that_cannot_work_are_refused_with_the_reason` |
//! | J26 | its key store; what it issues is compared with it | `ScepSettings::read_key_store`, `external::Trust` | `external/scep_authority::a_key_store_gives_the_proxys_certificates`, `external/trust::what_is_not_ours_is_refused` |
//! | J27 | another external authority: everybody enrolls again | `ScepAuthority::era`, `Enrollment::owes_reenrollment` | `external/scep_authority::another_authority_makes_every_enrollment_owe_another`, `src/enrollment/tests/origin::another_era_of_the_authority_makes_every_device_owe_and_enrolling_again_pays` |
//! | J28 | dynamic challenges, and how a device fails with one | `scep::jamf`, `external::ScepFailure` | `src/scep/challenge/jamf::the_event_is_the_documented_one_and_reads_back`, `src/external/scep_failure::a_refused_challenge_is_told_from_a_server_that_was_away` |
//! | J29 | the SCEP payload | `profile::SCEP` | `external/scep_authority::the_payload_has_every_parameter` |
//! | J30 | what nobody documents is a parameter | `Settings`, `Profile`, `expiring_days` | `revocation::time_alone_leads_from_issued_over_expiring_to_expired`, `crash::any_scenario_with_any_number_of_stops` |
//!
//! # What never happens
//!
//! | invariant | shown by |
//! |---|---|
//! | a serial number is used once, those that were abandoned too | `invariants::no_serial_and_no_number_twice_and_everybody_says_the_same`, `src/fuzzing/authority::nothing_is_lost_or_doubled_and_everybody_says_the_same` |
//! | nothing is signed that was not reserved, with other bytes, or twice | `crash::any_scenario_with_any_number_of_stops`, `authority::nothing_is_signed_before_it_is_stored` |
//! | one request, one certificate | `issuance::the_same_request_gets_the_same_answer`, `requests::the_same_request_again_changes_nothing_whatever_was_decided` |
//! | a host that stops after any step loses and doubles nothing | `crash::a_host_that_stops_after_any_step_loses_nothing_and_doubles_nothing`, `renewal::a_renewal_replays_and_goes_on_after_a_stop_at_every_signature`, `real/crash.sh` |
//! | numbers of lists rise in each scope, over restores too | `crl::numbers_are_spent_before_the_list_is_signed_and_rise_for_ever`, `backup::numbers_that_were_spent_since_are_passed_over`, `crash::any_scenario_with_any_number_of_stops` |
//! | who is revoked and not past the end is on the list | `invariants::no_serial_and_no_number_twice_and_everybody_says_the_same`, `crash::any_scenario_with_any_number_of_stops` |
//! | an entry leaves after one list past the end, or by a release | `crl::an_entry_stays_until_one_list_after_the_certificates_end`, `crl::a_hold_is_on_the_list_until_it_is_released` |
//! | a base and its delta list are the list beside it | `crl::a_delta_list_goes_with_a_full_one_and_tells_what_has_changed`, `crl::what_a_node_with_a_slow_clock_revoked_is_on_the_delta_list` |
//! | every move is one of the table | `revocation::any_moves_are_legal_or_refused_and_replay_to_the_same_record`, `revocation::only_a_compromised_key_changes_a_revocation_and_its_date_stays`, `revocation::reasons_that_are_not_a_devices_are_refused` |
//! | active and inactive are all, expiring is active | `rows::every_count_opens_the_list_of_those_it_counted`, `invariants::no_serial_and_no_number_twice_and_everybody_says_the_same` |
//! | no certificate outlives its issuer | `issuance::no_certificate_outlives_the_authoritys` |
//! | OCSP and list of one moment agree; what was never issued is never good | `invariants::no_serial_and_no_number_twice_and_everybody_says_the_same`, `ocsp::a_serial_that_is_reserved_abandoned_or_never_issued_is_never_good` |
//! | what is stored reads back, of earlier versions too | `format::what_was_stored_is_read_and_written_back_byte_for_byte`, `format::what_is_stored_now_has_the_same_keys`, `format::a_backup_of_before_is_restored_to_the_record_it_was` |
//! | the clock does not run backwards, and no revocation waits for it | `issuance::a_clock_that_runs_backwards_issues_nothing`, `revocation::no_clock_stands_in_the_way_of_a_revocation`, `authority::a_clock_that_ran_ahead_is_set_right_by_an_operator` |
//! | an authority does not revoke itself | `rows::an_authority_does_not_revoke_itself` |
//! | after a new key the old one goes on signing lists and answers | `renewal::a_new_key_is_joined_to_the_old_one_both_ways`, `crl::a_key_lists_its_own_certificates_only`, `ocsp::a_delegate_answers_for_its_own_key_and_the_old_key_for_what_it_issued` |
//! | a log that was changed shows it | `src/record/log::another_log_has_another_head` |
//!
//! # What a certificate, a list, an answer must be
//!
//! | rule | shown by |
//! |---|---|
//! | serial numbers positive, of 16 random octets | `src/x509/serial::random_numbers_are_sixteen_octets_whatever_was_drawn` |
//! | version 3; no extension twice | `x509/made::what_is_made_reads_back_with_every_field`, `x509/damage::certificates_that_two_programs_could_read_in_two_ways_are_refused` |
//! | one algorithm inside and outside, its parameters as the standard has them | `x509/made::others_read_the_same`, `real/artefacts.sh` |
//! | times: two forms, seconds, Z | `src/asn1/writer::the_year_2050_changes_the_form_of_time`, `src/asn1/reader::both_forms_of_time` |
//! | names byte for byte, string types too | `src/x509/name::string_types_make_names_differ`, `src/x509/name::built_names_use_the_string_types_of_rfc_5280`, `authority::an_authority_that_exists_is_taken_over` |
//! | key identifiers, of the key alone | `x509/made::a_certificate_that_signs_itself_names_no_other_key`, `renewal::ten_more_years_under_the_same_key_leave_everything_good` |
//! | an authority's constraints and usage; a leaf's empty SEQUENCE | `x509/made::what_others_refuse_is_not_made`, `src/asn1/writer::named_bits_drop_trailing_zeros` |
//! | no empty usage or names; no subject makes the names critical | `x509/made::what_others_refuse_is_not_made`, `issuance::a_certificate_without_subject_has_critical_names` |
//! | values of names within their bounds | `src/x509/name::values_that_rfc_5280_does_not_allow_are_not_made`, `authority::a_long_organization_is_cut_to_what_a_name_may_hold` |
//! | RA and responder as their clients want them | `authority::services_get_their_certificates_with_the_authority` |
//! | lists: version 2, number, next update, no empty list, no reason 0 | `x509/crl::what_is_made_reads_back_here_and_elsewhere`, `x509/crl::an_empty_list_has_no_list` |
//! | parts and deltas say so critically; a delta's base is below its number; removeFromCRL in deltas alone | `x509/crl::parts_and_deltas_say_so_critically`, `x509/crl::what_must_not_be_made_is_not`, `crl::a_certificate_names_its_part_and_the_part_names_itself_alike` |
//! | one full list without IDP by default; parts by choice | `crl::a_list_says_who_is_revoked_since_when_and_why`, `crl::parts_keep_their_address_and_never_become_fewer` |
//! | no list without cRLSign | `authority::a_certificate_without_crl_sign_signs_no_list` |
//! | answers name what was asked, echo the nonce, and say for how long | `ocsp::good_revoked_held_and_unknown_in_one_answer_with_its_nonce`, `x509/ocsp::an_answer_repeats_what_was_asked`, `ocsp::an_answer_made_in_advance_has_no_nonce_and_lives_as_long_as_the_settings_say` |
//! | never issued: unknown, or revoked as the standard has it | `x509/ocsp::what_was_never_issued_is_told_as_the_standard_says`, `ocsp::another_authoritys_certificate_is_unknown_whatever_its_serial` |
//! | a delegate shows its certificate; errors are unsigned | `x509/ocsp::a_delegated_responder_shows_its_certificate`, `x509/ocsp::errors_are_five_bytes_and_unsigned` |
//! | CMS attributes once, sorted, signed as a SET | `cms/signed::an_attribute_twice_or_missing_or_with_two_values_is_refused`, `src/asn1/writer::a_set_of_is_sorted`, `cms/signed::attributes_are_verified_as_they_were_received` |
//! | SCEP: RA and CA, renewal by the old certificate, the next CA, pending | `scep/client::an_answer_to_get_ca_cert_is_read_whatever_its_label`, `scep/server::a_renewal_is_granted_to_a_certificate_that_is_in_force`, `scep/client::the_next_ca_is_announced_by_the_current_one`, `requests::a_request_waits_is_stored_and_is_granted_as_it_was_asked` |
//! | certificates across old and new key | `renewal::a_new_key_is_joined_to_the_old_one_both_ways`, `x509/path::cross_certificates_lead_from_the_old_key_to_the_new_and_back` |
//! | all of that before OpenSSL, GnuTLS, Java and pkilint | `real/artefacts.sh` |
//!
//! # Lists for people, key stores
//!
//! | rule | shown by |
//! |---|---|
//! | no cell is a formula, and each comes back | `src/ca/export::a_formula_is_made_harmless_and_comes_back` |
//! | CSV, text and XML hold the same rows in the same order | `src/ca/export::the_three_forms_byte_for_byte`, `src/ca/export::an_empty_list_has_its_frame`, `real/artefacts.sh` |
//! | written: PBES2 with AES-256, 600,000 iterations for key and MAC, ASCII passwords | `keystore/writing::six_hundred_thousand_iterations_guard_all_that_is_written`, `keystore/writing::what_would_not_read_back_is_not_written`, `real/keystore.sh` |
//! | read: PBES2, 3DES and RC2, JKS, JCEKS, chains, several aliases | `keystore/files::pkcs12_of_openssl_and_gnutls_is_read_by_every_provider`, `keystore/files::java_stores_of_several_entries_are_read`, `keystore/files::what_is_broken_needs_a_policy_that_says_so` |
//! | a wrong password, another one inside, and damage are three errors | `keystore/files::a_wrong_password_is_told_from_damage`, `keystore/files::an_entry_under_a_password_of_its_own_is_told` |
//! | encrypted PKCS#8 | `keystore/writing::an_encrypted_key_goes_through_der_and_pem`, `keystore/files::private_keys_alone_are_read` |
//! | a restore uses no number twice | `backup::numbers_that_were_spent_since_are_passed_over`, `backup::numbers_above_the_clock_are_passed_over_when_they_are_known`, `backup::numbers_never_run_far_ahead_of_the_clock` |
//! | a backup is whole, or refused with the reason | `backup::a_backup_is_whole_or_not_made`, `backup::a_backup_that_is_not_one_is_refused_and_says_why` |
//!
//! # What strangers try
//!
//! | attempt | refused by |
//! |---|---|
//! | a request under a forged signature | `hostile::a_signature_by_another_key_proves_nothing`, `x509/made::a_forged_request_is_not_proven` |
//! | RSA under 2048 bits, bad exponents, other keys | `hostile::weak_keys_prove_nothing_either`, `issuance::weak_keys_are_refused` |
//! | CA:TRUE, keyCertSign, cRLSign wanted | `hostile::nobody_becomes_an_authority_or_another_host_by_asking`, `issuance::nobody_gets_an_authoritys_certificate_by_asking` |
//! | wildcards and names of others | `hostile::nobody_becomes_an_authority_or_another_host_by_asking`, `issuance::alternative_names_come_through_as_the_profile_says` |
//! | extensions of a megabyte, extensions twice | `hostile::extensions_beyond_measure_or_twice_are_not_even_read`, `issuance::an_extension_that_cannot_be_read_refuses_the_request` |
//! | key stores with a billion iterations, and of any size | `keystore/hostile::a_billion_iterations_are_refused_at_once`, `keystore/hostile::iterations_are_counted_over_the_whole_store_before_they_are_run`, `keystore/hostile::limits_hold` |
//! | OCSP about 10,000 certificates, or with a nonce of a kilobyte | `ocsp::what_cannot_be_answered_is_an_error_without_a_signature`, `x509/ocsp::requests_without_measure_are_refused`, `x509/ocsp::nonces_are_1_to_128_octets` |
//! | a clock that runs backwards | `issuance::a_clock_that_runs_backwards_issues_nothing`, `crl::a_list_is_refused_to_a_clock_that_runs_backwards_and_to_an_expired_authority`, `ocsp::a_clock_that_runs_backwards_answers_nothing` |
//! | and nothing is half done by any of them | `hostile::what_is_refused_leaves_everything_as_it_was` |

#![cfg(feature = "rustcrypto")]

mod authority;
mod backup;
mod checklist;
mod crash;
mod crl;
mod format;
mod hostile;
mod invariants;
mod issuance;
mod ocsp;
mod renewal;
mod requests;
mod revocation;
mod rows;

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use mdm_core::ca::{Authority, CertificateRecord, Creation, IssuanceRequest, Profile};
use mdm_core::crypto::{self, KeyKind, Legacy, Provider, Random, SigningKey, SoftwareKey};
use mdm_core::time::Timestamp;
use mdm_core::x509::{CsrTemplate, Extensions, Name, ProvenCsr};

/// Numbers that look random and never repeat within a run of the tests.
struct Counting(AtomicU64);

impl Random for Counting {
    fn fill(&self, dest: &mut [u8]) -> Result<(), crypto::Error> {
        for chunk in dest.chunks_mut(8) {
            let mut z = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            let bytes = (z ^ (z >> 31)).to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
        Ok(())
    }
}

static RANDOM: Counting = Counting(AtomicU64::new(1));

fn provider() -> Provider {
    Provider::rustcrypto(&RANDOM)
}

/// A source that has nothing.
struct Dry;

impl Random for Dry {
    fn fill(&self, _: &mut [u8]) -> Result<(), crypto::Error> {
        Err(crypto::Error::Random)
    }
}

fn key() -> SoftwareKey {
    let provider = provider();
    provider.load(&provider.generate(KeyKind::P256).unwrap()).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// When everything here begins.
fn noon() -> Timestamp {
    at("2026-11-21T12:00:00Z")
}

static CA_KEY: LazyLock<SoftwareKey> = LazyLock::new(key);
static DEVICE_KEY: LazyLock<SoftwareKey> = LazyLock::new(key);

/// Signs all that is outstanding, each with the key that it names.
fn sign_all(mut authority: Authority, keys: &[&SoftwareKey]) -> Authority {
    while let Some(next) = authority.to_be_signed(authority.latest(), &provider()).unwrap() {
        let key = keys.iter().find(|key| SigningKey::public_key(**key) == next.public_key()).unwrap();
        authority = next.sign_with(*key).unwrap().record;
    }
    authority
}

/// An authority that was created at noon.
fn authority() -> Authority {
    let creation = Creation::new("builtin", "Example", CA_KEY.public_key().clone());
    sign_all(Authority::create(&creation, noon(), &provider()).unwrap().record, &[&*CA_KEY])
}

fn name(common_name: &str) -> Name {
    Name::builder().common_name(common_name).build().unwrap()
}

/// A request by this key.
fn csr(key: &SoftwareKey, subject: Name, extensions: Extensions<'static>) -> ProvenCsr {
    let mut template = CsrTemplate::new(subject, key.public_key().clone());
    template.extensions = extensions;
    let csr = template.to_be_signed(key.algorithm(), &provider()).unwrap().sign_with(key).unwrap();
    csr.verify(&provider(), Legacy::NONE).unwrap()
}

/// A device's certificate, signed at noon.
fn issued(authority: &Authority) -> CertificateRecord {
    let csr = csr(&DEVICE_KEY, name("Device 7"), Extensions::new());
    let profile = Profile::device_identity();
    let reserved = authority.reserve(&IssuanceRequest::new(&csr, "t", &profile), None, noon(), &provider()).unwrap();
    reserved.sign_with(&*CA_KEY).unwrap().record
}
