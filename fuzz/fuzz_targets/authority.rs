#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mdm_core_fuzz::run("authority", data));
