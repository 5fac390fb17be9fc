// A certificate for a server of a test's own.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

#include "base/error.h"

namespace falconer::test {

struct Certificate {
  struct Free {
    void operator()(X509* certificate) const { X509_free(certificate); }
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  };
  std::unique_ptr<EVP_PKEY, Free> key;
  std::unique_ptr<X509, Free> certificate;
  std::string text;  // PEM
};

/// Signed by itself, for an hour, for an address such as "127.0.0.1".
inline Certificate make_certificate(const std::string& address) {
  Certificate made;
  made.key.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
  made.certificate.reset(X509_new());
  X509* c = made.certificate.get();
  X509_set_version(c, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(c), 1);
  X509_gmtime_adj(X509_getm_notBefore(c), -60);
  X509_gmtime_adj(X509_getm_notAfter(c), 3600);
  X509_set_pubkey(c, made.key.get());
  X509_NAME* name = X509_get_subject_name(c);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("falconer test"), -1, -1, 0);
  X509_set_issuer_name(c, name);
  const std::string other_names = "IP:" + address;
  X509_EXTENSION* extension =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, other_names.c_str());
  X509_add_ext(c, extension, -1);
  X509_EXTENSION_free(extension);
  FALCONER_CHECK(X509_sign(c, made.key.get(), EVP_sha256()) > 0);
  BIO* memory = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(memory, c);
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  made.text.assign(data, static_cast<size_t>(size));
  BIO_free(memory);
  return made;
}

}  // namespace falconer::test
