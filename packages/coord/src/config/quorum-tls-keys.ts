/** Keys of zoo.cfg about TLS between the servers of an ensemble: those for clients, with `quorum` in the name. */
import { between, defineConfig, oneOfAnyCase } from '@odradek/runtime';

const INT_MAX = 2 ** 31 - 1;
const storeType = oneOfAnyCase('PEM', 'PKCS12', 'JKS');

export const quorumTlsKeys = defineConfig({
  sslQuorum: {
    type: 'boolean',
    default: false,
    doc: 'Whether servers speak TLS with each other on both of their ports.',
  },
  portUnification: {
    type: 'boolean',
    default: false,
    doc: 'Whether those ports take plain connections of other servers as well: for the time of a change to TLS only.',
  },
  sslQuorumReloadCertFiles: {
    type: 'boolean',
    default: false,
    doc: 'Whether key store and trust store of the servers are read again when their files change.',
  },
  'ssl.quorum.keyStore.location': {
    type: 'path',
    default: null,
    doc: 'File with the certificate and private key that this server shows to others: PEM or PKCS12.',
  },
  'ssl.quorum.keyStore.password': {
    type: 'password',
    default: null,
    doc: 'Password of the key store, or of the encrypted key in a PEM file.',
  },
  'ssl.quorum.keyStore.passwordPath': {
    type: 'path',
    default: null,
    doc: 'File that holds that password.',
  },
  'ssl.quorum.keyStore.type': {
    type: 'string',
    default: null,
    validate: storeType,
    doc: 'As ssl.keyStore.type.',
  },
  'ssl.quorum.trustStore.location': {
    type: 'path',
    default: null,
    doc: 'File with the certificates of the authorities whose servers are believed: PEM or PKCS12.',
  },
  'ssl.quorum.trustStore.password': {
    type: 'password',
    default: null,
    doc: 'Password of the trust store.',
  },
  'ssl.quorum.trustStore.passwordPath': {
    type: 'path',
    default: null,
    doc: 'File that holds that password.',
  },
  'ssl.quorum.trustStore.type': {
    type: 'string',
    default: null,
    validate: storeType,
    doc: 'As ssl.keyStore.type.',
  },
  'ssl.quorum.clientAuth': {
    type: 'string',
    default: 'need',
    validate: oneOfAnyCase('none', 'want', 'need'),
    doc: 'Whether a server that connects must (need), may (want) or cannot (none) show a certificate.',
  },
  'ssl.quorum.enabledProtocols': {
    type: 'list',
    default: null,
    doc: 'Versions of TLS that are spoken; TLSv1.2 and TLSv1.3 when not set.',
  },
  'ssl.quorum.protocol': {
    type: 'string',
    default: null,
    doc: 'The only version of TLS that is spoken; ssl.quorum.enabledProtocols overrules it.',
  },
  'ssl.quorum.ciphersuites': {
    type: 'list',
    default: null,
    doc: "Cipher suites, by Java's or OpenSSL's names, the preferred one first.",
  },
  'ssl.quorum.hostnameVerification': {
    type: 'boolean',
    default: true,
    doc: 'Whether a server that is connected to must have a certificate for its host in the server line; false: ssl.quorum.clientHostnameVerification has no effect either.',
  },
  'ssl.quorum.clientHostnameVerification': {
    type: 'boolean',
    default: true,
    doc: 'Whether a server that connects must have a certificate for the address it comes from, or for a host of a server line.',
  },
  'ssl.quorum.crl': {
    type: 'boolean',
    default: false,
    doc: 'Revocation lists; true is refused, for this version does not fetch them.',
  },
  'ssl.quorum.ocsp': {
    type: 'boolean',
    default: false,
    doc: 'Asking whether a certificate was revoked; true is refused, for this version does not.',
  },
  'ssl.quorum.context.supplier.class': {
    type: 'class',
    default: null,
    doc: 'A Java class; refused, because only Java can load it.',
  },
  'ssl.quorum.handshakeDetectionTimeoutMillis': {
    type: 'int',
    default: 5_000,
    validate: between(1, INT_MAX),
    doc: 'Time another server has for the TLS handshake, in ms.',
  },
});
