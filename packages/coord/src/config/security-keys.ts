/**
 * The keys of zoo.cfg about who is let in: TLS, certificates, SASL, enforced authentication.
 * Not here: rules over several of them (security-settings.ts).
 */
import { between, defineConfig, oneOfAnyCase } from '@odradek/runtime';
import { quorumTlsKeys } from './quorum-tls-keys.ts';

const PORT_MAX = 65_535;
const INT_MAX = 2 ** 31 - 1;
const storeType = oneOfAnyCase('PEM', 'PKCS12', 'JKS');

export const securityKeys = defineConfig({
  secureClientPort: {
    type: 'int',
    default: null,
    validate: between(0, PORT_MAX),
    doc: 'Port for clients over TLS; 0 takes any free one. Given without clientPort, there is no other.',
  },
  secureClientPortAddress: {
    type: 'string',
    default: null,
    doc: 'Address to listen on for TLS; all interfaces when not set.',
  },
  'client.portUnification': {
    type: 'boolean',
    default: false,
    doc: 'Whether clientPort takes TLS connections beside plain ones.',
  },
  'ssl.keyStore.location': {
    type: 'path',
    default: null,
    doc: 'File with the certificate and private key of this server: PEM or PKCS12.',
  },
  'ssl.keyStore.password': {
    type: 'password',
    default: null,
    doc: 'Password of the key store, or of the encrypted key in a PEM file.',
  },
  'ssl.keyStore.passwordPath': {
    type: 'path',
    default: null,
    doc: 'File that holds that password, so that it need not stand here.',
  },
  'ssl.keyStore.type': {
    type: 'string',
    default: null,
    validate: storeType,
    doc: 'Taken and not needed: what is in the file decides. A real JKS store cannot be read.',
  },
  'ssl.trustStore.location': {
    type: 'path',
    default: null,
    doc: 'File with the certificates of the authorities whose clients are believed: PEM or PKCS12.',
  },
  'ssl.trustStore.password': {
    type: 'password',
    default: null,
    doc: 'Password of the trust store.',
  },
  'ssl.trustStore.passwordPath': {
    type: 'path',
    default: null,
    doc: 'File that holds that password.',
  },
  'ssl.trustStore.type': {
    type: 'string',
    default: null,
    validate: storeType,
    doc: 'As ssl.keyStore.type.',
  },
  'ssl.clientAuth': {
    type: 'string',
    default: 'need',
    validate: oneOfAnyCase('none', 'want', 'need'),
    doc: 'Whether clients must (need), may (want) or cannot (none) show a certificate.',
  },
  'ssl.enabledProtocols': {
    type: 'list',
    default: null,
    doc: 'Versions of TLS that are spoken; TLSv1.2 and TLSv1.3 when not set.',
  },
  'ssl.protocol': {
    type: 'string',
    default: null,
    doc: 'The only version of TLS that is spoken; ssl.enabledProtocols overrules it.',
  },
  'ssl.ciphersuites': {
    type: 'list',
    default: null,
    doc: "Cipher suites, by Java's or OpenSSL's names, the preferred one first.",
  },
  'ssl.hostnameVerification': {
    type: 'boolean',
    default: true,
    doc: 'false: ssl.clientHostnameVerification has no effect.',
  },
  'ssl.clientHostnameVerification': {
    type: 'boolean',
    default: false,
    doc: "Whether a client's certificate must be made out to the address it comes from.",
  },
  'ssl.crl': {
    type: 'boolean',
    default: false,
    doc: 'Revocation lists; true is refused, for this version does not fetch them.',
  },
  'ssl.ocsp': {
    type: 'boolean',
    default: false,
    doc: 'Asking whether a certificate was revoked; true is refused, for this version does not.',
  },
  'ssl.authProvider': {
    type: 'string',
    default: 'x509',
    doc: 'Scheme under which client certificates are identities; only x509.',
  },
  'ssl.context.supplier.class': {
    type: 'class',
    default: null,
    doc: 'A Java class; refused, because only Java can load it.',
  },
  'ssl.handshakeDetectionTimeoutMillis': {
    type: 'int',
    default: 5_000,
    validate: between(1, INT_MAX),
    doc: 'Time a client has for the TLS handshake, in ms.',
  },
  'client.certReload': {
    type: 'boolean',
    default: false,
    doc: 'Whether key store and trust store are read again when their files change.',
  },
  'fips-mode': {
    type: 'boolean',
    default: null,
    doc: 'true: DIGEST-MD5 is refused. The original takes true; here it is off unless asked for.',
  },
  'DigestAuthenticationProvider.digestAlg': {
    type: 'string',
    default: 'SHA1',
    doc: 'Hash of the digest scheme: SHA1, SHA-256, SHA-512 and their like.',
  },
  'X509AuthenticationProvider.superUser': {
    type: 'string',
    default: null,
    doc: 'Subject of the client certificate whose owner may do everything, such as CN=admin,O=Acme.',
  },
  'java.security.auth.login.config': {
    type: 'path',
    default: null,
    doc: 'JAAS file whose Server section names the users of SASL DIGEST-MD5.',
  },
  'sasl.serverconfig': {
    type: 'string',
    default: 'Server',
    doc: 'The section of the JAAS file.',
  },
  'SASLAuthenticationProvider.superPassword': {
    type: 'password',
    default: null,
    doc: 'Password of the SASL user "super", instead of the one in the JAAS file.',
  },
  superUser: {
    type: 'string',
    default: null,
    doc: 'SASL user who may do everything; more of them as superUser.1, superUser.2 and so on.',
  },
  allowSaslFailedClients: {
    type: 'boolean',
    default: false,
    doc: 'Whether a client stays, as nobody in particular, when SASL refuses it.',
  },
  sessionRequireClientSASLAuth: {
    type: 'boolean',
    default: false,
    doc: 'Whether nothing is answered before a client has authenticated by SASL.',
  },
  'enforce.auth.enabled': {
    type: 'boolean',
    default: false,
    doc: 'Whether nothing is answered before a client has authenticated by one of the schemes below.',
  },
  'enforce.auth.schemes': {
    type: 'list',
    default: [],
    doc: 'Schemes of which enforce.auth.enabled demands one: digest, sasl, x509, ip.',
  },
  ensembleAuthName: {
    type: 'list',
    default: [],
    doc: 'Names of this ensemble, of which a client of the ensemble scheme must give one.',
  },
  ...quorumTlsKeys,
});
