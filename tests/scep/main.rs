//! SCEP from both sides: enrollments that succeed, and everything that must not.
//!
//! `../data/scep/make.sh` has the commands that made the keys and the request.
//!
//! # RFC 8894, requirement by requirement
//!
//! S is the section. A test without a file is in this folder; `cms`, `ber` and `cms_openssl` are tests beside it, `src` a unit test.
//!
//! | # | S | requirement | shown by |
//! |---|---|---|---|
//! | 1 | 2.9 | GetCACaps, GetCACert, PKCSReq, POST, AES-128, SHA-256 | `server::a_first_request_is_opened_authorized_and_granted`, `client::an_enrollment_ends_with_the_certificate_for_the_requested_key` |
//! | 2 | 2.9 | no single DES, no MD5 | `server::broken_ciphers_are_answered_with_bad_alg_unless_the_policy_names_them`, `attacks::sha1_signatures_are_refused_by_default` |
//! | 3 | 2.3 | signed by a self-signed or an existing certificate; the reply is sealed to it | `server::the_answer_is_sealed_to_the_signer_alone`, `server::an_ephemeral_signer_may_ask_for_another_key` |
//! | 4 | 2.3, 3.3.1 | challenge in the request; none needed to renew | `server::a_wrong_challenge_is_denied_and_no_certificate_can_follow`, `server::a_renewal_is_granted_to_a_certificate_that_is_in_force` |
//! | 5 | 2.3 | a renewal is signed by a certificate of this CA that is in force | `attacks::a_renewal_by_a_certificate_that_is_not_ours_is_refused` |
//! | 6 | 3.1 | key transport, else the challenge as password | `elliptic::a_client_that_seals_with_rsa_and_signs_with_an_elliptic_curve_gets_its_reply_under_its_challenge`, `server::a_server_whose_key_cannot_decrypt_opens_with_the_challenge` |
//! | 7 | 3.2 | id-data, one signer, signed attributes | `attacks::messages_without_their_attributes_are_refused`, `cms/signed::a_message_has_one_signer_or_is_refused` |
//! | 8 | 3.2.1 | types of the attributes | `quirks::attributes_are_written_in_the_types_that_the_standard_gives_them` |
//! | 9 | 3.2.1.1 | any printable transactionID, the same throughout | `attacks::transaction_identifiers_of_every_shape_are_read_or_refused`, `client::a_pending_request_is_polled_with_growing_patience_and_granted` |
//! | 10 | 3.2.1.2 | unknown message types are errors | `attacks::types_that_nobody_acts_upon_are_refused_whatever_is_inside` |
//! | 11 | 3.2.1.3 | pkiStatus 0, 2, 3 | `client::a_reply_to_another_message_is_refused` |
//! | 12 | 3.2.1.4 | failInfo with FAILURE and only then | `server::denials_and_pending_carry_no_content` |
//! | 13 | 3.2.1.5 | fresh senderNonce, recipientNonce checked | `server::two_replies_never_share_a_nonce`, `client::a_reply_replayed_into_the_next_request_is_refused` |
//! | 14 | 3.2.1 | the reply's transactionID is the request's | `client::a_reply_to_another_message_is_refused` |
//! | 15 | 3.3.2.1 | SUCCESS carries the certificate | `server::a_first_request_is_opened_authorized_and_granted`, `client::a_bag_with_the_ca_first_gives_the_certificate_for_the_key` |
//! | 16 | 3.3.2.2 | FAILURE and PENDING carry nothing | `server::denials_and_pending_carry_no_content` |
//! | 17 | 3.3.3 | CertPoll | `server::a_held_request_is_granted_to_the_poll_that_belongs_to_it` |
//! | 18 | 3.3.4 | GetCert, GetCRL | `server::what_was_issued_can_be_asked_for_again`, `client::questions_are_answered` |
//! | 19 | 3.4 | certs-only | `quirks::a_bag_has_no_content_no_signer_and_no_digest` |
//! | 20 | 3.5.1 | capabilities, one a line | `src`: `capability::keywords_are_exact_and_in_any_order` |
//! | 21 | 3.5.2 | SCEPStandard; stay with AES-128 and SHA-256 | `src`: `capability::a_client_stays_with_the_standard_even_where_more_is_offered` |
//! | 22 | 3.5.2 | old servers: keyUsage ignored, ciphers forced | `client::requests_are_encrypted_to_whoever_may_decrypt`, `quirks::a_cipher_that_works_is_forced_where_what_is_advertised_does_not` |
//! | 23 | 4.1 | POST of DER, GET of Base64 | `client::an_operation_carries_a_message_through_a_get`, `src`: `operation::every_damage_of_the_field_is_mended` |
//! | 24 | 4.1 | `operation` and an optional `message` | `src`: `operation::the_name_of_the_ca_may_be_anything` |
//! | 25 | 4.2.1 | one certificate, or a chain | `client::an_answer_to_get_ca_cert_is_read_whatever_its_label` |
//! | 26 | 2.2 | the fingerprint is checked | `client::a_fingerprint_vouches_for_what_a_path_leads_to` |
//! | 27 | 4.7 | GetNextCACert | `client::the_next_ca_is_announced_by_the_current_one` |
//! | 28 | RFC 2986 | proof of possession | `attacks::every_probe_of_the_decryption_gets_one_answer` |
//! | 29 | 7 | challenges | `challenges::a_one_time_challenge_is_good_for_one_transaction`, `challenges::a_challenge_that_was_never_configured_accepts_nobody` |
//! | 30 | RFC 5652 | attributes are verified as they were received | `cms/signed::attributes_are_verified_as_they_were_received` |
//!
//! # What peers do otherwise
//!
//! | oddity | of whom | tolerance | shown by |
//! |---|---|---|---|
//! | BER | jscep, Bouncy Castle, old macOS | `Oddities::ber` | `quirks::ber_is_read_outside_and_inside_unless_it_is_switched_off`, `ber` |
//! | raw `+`, line ends, URL alphabet in a GET | jscep, macOS, sscep, strongSwan, Cisco, Fleet | always mended | `src`: `operation::every_damage_of_the_field_is_mended` |
//! | 3DES, single DES, SHA-1, RSA-1024 | Cisco, micromdm, step-ca, NDES | `Peer::legacy` | `server::broken_ciphers_are_answered_with_bad_alg_unless_the_policy_names_them`, `attacks::a_signer_with_a_short_key_is_answered_with_bad_alg` |
//! | several recipients | micromdm | `Oddities::several_recipients` | `quirks::several_recipients_are_read_unless_it_is_switched_off` |
//! | EnvelopedData version 1 | PyScep | `Oddities::any_envelope_version` | `quirks::an_envelope_of_another_version_is_read_unless_it_is_switched_off` |
//! | sha256WithRSAEncryption in SignerInfo | micromdm, step-ca, strongSwan, jscep | `Oddities::digest_named_twice` | `quirks::a_signature_algorithm_that_names_its_digest_is_read_unless_it_is_switched_off` |
//! | challenge in any type | all | `Oddities::any_challenge_type` | `quirks::a_challenge_is_read_in_any_type_and_in_directory_strings_alone_where_others_are_switched_off` |
//! | challenge as signed attribute, nonces of 8 octets | Apple | `Peer::signed_challenge`, `Peer::odd_nonces` | `server::what_apple_sends_is_read_where_the_policy_is_apples` |
//! | replies without certificates | NDES | `Oddities::bare_replies` | `quirks::a_reply_without_certificates_is_read_unless_it_is_switched_off` |
//! | content of 0 or 1 octets in a FAILURE | micromdm, step-ca, NDES | `Peer::stray_content` | `quirks::content_that_says_nothing_in_a_failure_is_tolerated_by_name` |
//! | nonces missing | old devices and servers | `Peer::missing_nonces` | `client::a_reply_to_another_message_is_refused`, `attacks::messages_without_their_attributes_are_refused` |
//! | contentType missing | old OpenXPKI | `Peer::missing_content_type` | `quirks::a_reply_whose_attributes_lack_the_type_of_the_content_is_tolerated_by_name` |
//! | attributes unsorted | legacy clients | `Peer::unsorted_attributes` | `cms/signed::attributes_are_verified_as_they_were_received` |
//! | recipient named otherwise | clients that spell names anew | `Peer::misnamed_recipient` | `attacks::a_request_for_another_recipient_is_refused_without_trying_keys` |
//! | keyUsage that does not allow it; order of GetCACert | micromdm, step-ca, NDES | `Peer::any_key_usage` | `client::requests_are_encrypted_to_whoever_may_decrypt` |
//! | the CA before the leaf in the bag | DER-sorted bags | always read; never made | `client::a_bag_with_the_ca_first_gives_the_certificate_for_the_key` |
//! | a chain when there is no RA | Apple aborts | never made | `client::an_answer_to_get_ca_cert_is_read_whatever_its_label` |
//! | no subject in the request | Apple profiles | always read | `quirks::a_request_without_a_subject_is_read` |
//! | a renewal as PKCSReq | sscep | `PkcsReq::into_renewal` | `server::an_older_client_renews_with_a_first_request` |
//! | an RA that may sign, or has no basicConstraints, is no recipient, so the CA is | PyScep | a certificate for encryption alone: `CaCertificates::for_server` | `quirks::a_ca_that_does_everything_itself_is_warned_of` |
//! | AES advertised and not read | old NDES | `Server::with_cipher` | `quirks::a_cipher_that_works_is_forced_where_what_is_advertised_does_not` |
//!
//! # What others fell to
//!
//! | fault | attacked by |
//! |---|---|
//! | a challenge for one name enrols any other (VU#971035) | `challenges::the_host_may_decide_with_the_request_in_hand`, `challenges::a_bound_challenge_is_good_for_its_device_until_it_expires` |
//! | message type 18 issues without authorisation (CVE-2026-30836, CVE-2025-44005) | `attacks::types_that_nobody_acts_upon_are_refused_whatever_is_inside` |
//! | a one-time password told or used twice (CVE-2010-3868, CVE-2010-3869) | `challenges::a_one_time_challenge_is_good_for_one_transaction`, `challenges::a_stolen_transaction_name_does_not_get_the_reservation` |
//! | one message ends the server (CVE-2024-43541, micromdm) | `damage`, `attacks::types_that_nobody_acts_upon_are_refused_whatever_is_inside` |
//! | decryption oracles (micromdm, step-ca) | `attacks::every_probe_of_the_decryption_gets_one_answer`, `attacks::the_two_halves_give_the_same_one_answer`; their time: `benches/scep_oracle.rs` |
//! | recipients tried one after the other (CVE-2019-1563) | `attacks::a_request_for_another_recipient_is_refused_without_trying_keys` |
//! | a forged reply with the pinned issuer and serial number (jscep) | `client::a_forged_reply_is_refused_whatever_it_names_and_carries` |
//! | ForgedAttributes (ePrint 2023/1801) | `attacks::messages_without_their_attributes_are_refused`, `cms/signed::attributes_are_not_mistaken_for_content` |
//! | attributes twice (micromdm, step-ca) | `attacks::an_attribute_twice_is_refused` |
//! | no proof of possession (micromdm, jscep) | `attacks::every_probe_of_the_decryption_gets_one_answer` |
//! | renewal by a self-signed signer (micromdm, step-ca) | `attacks::a_renewal_by_a_certificate_that_is_not_ours_is_refused`, `attacks::a_challenge_does_not_buy_a_renewal` |
//! | an empty challenge in the settings (micromdm, step-ca) | `challenges::a_challenge_that_was_never_configured_accepts_nobody` |
//! | a reply sealed to whoever is in the bag (smallstep) | `server::the_answer_is_sealed_to_the_signer_alone` |
//! | capabilities cut short on the way (sscep, jscep) | `src`: `capability::a_downgraded_answer_is_refused_without_a_policy_that_names_it` |
//! | rare recipients that parsers trip over (CVE-2025-9230, CVE-2025-15467) | `cms/enveloped::any_flipped_bit_of_an_agreement_is_an_error_or_changes_nothing`, `cms/password::a_password_that_would_take_hours_to_derive_is_refused`, `cms/enveloped::what_openssl_authenticated_is_opened_and_nothing_else` |
//! | points off the curve | `cms/enveloped::a_point_that_is_none_of_the_curve_does_not_open_and_gives_nothing_away` |
//! | a message replayed, a transaction taken over | `server::a_replayed_message_and_a_stolen_transaction_are_told_apart` |
//! | the CA's own key decrypts | `quirks::a_ca_that_does_everything_itself_is_warned_of` |
//! | messages lost, doubled, late | `lossy` |
#![cfg(any(feature = "rustcrypto", feature = "aws-lc-rs"))]

#[path = "../support/mod.rs"]
mod support;

mod attacks;
mod challenges;
mod checklist;
mod client;
mod damage;
mod elliptic;
mod lossy;
mod probes;
mod proxy;
mod quirks;
mod server;
mod world;
