package awssim

import "slices"

// initialSSLPolicy is that of a listener for which none was chosen.
const initialSSLPolicy = "ELBSecurityPolicy-2016-08"

type sslPolicy struct {
	Name                       string
	SslProtocols               []string
	Ciphers                    []cipher
	SupportedLoadBalancerTypes []string
}

type cipher struct {
	Name     string
	Priority int
}

// The suites that policies are made of.
var (
	tls13Suites = []string{"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
	gcmSuites   = []string{
		"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384",
	}
	ecdheSHA2Suites = []string{
		"ECDHE-ECDSA-AES128-SHA256", "ECDHE-RSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA384", "ECDHE-RSA-AES256-SHA384",
	}
	ecdheSHASuites = []string{"ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA", "ECDHE-ECDSA-AES256-SHA"}
	rsaSHA2Suites  = []string{"AES128-GCM-SHA256", "AES128-SHA256", "AES256-GCM-SHA384", "AES256-SHA256"}
	rsaSHASuites   = []string{"AES128-SHA", "AES256-SHA"}
)

// The protocols from a version on.
var (
	fromTLS10 = []string{"TLSv1", "TLSv1.1", "TLSv1.2"}
	fromTLS11 = fromTLS10[1:]
	onlyTLS12 = fromTLS10[2:]
	onlyTLS13 = []string{"TLSv1.3"}
)

func policyOf(name string, protocols []string, suites ...[]string) sslPolicy {
	p := sslPolicy{Name: name, SslProtocols: protocols, SupportedLoadBalancerTypes: []string{"application", "network"}}
	for _, c := range slices.Concat(suites...) {
		p.Ciphers = append(p.Ciphers, cipher{c, len(p.Ciphers) + 1})
	}
	return p
}

// with13 are protocols and TLS 1.3.
func with13(protocols []string) []string { return slices.Concat(protocols, onlyTLS13) }

// sslPolicies are AWS's, by name, without those for FIPS and for post-quantum keys.
var sslPolicies = []sslPolicy{
	policyOf("ELBSecurityPolicy-2015-05", fromTLS10, gcmSuites, ecdheSHA2Suites, ecdheSHASuites, rsaSHA2Suites, rsaSHASuites),
	policyOf(initialSSLPolicy, fromTLS10, gcmSuites, ecdheSHA2Suites, ecdheSHASuites, rsaSHA2Suites, rsaSHASuites),
	policyOf("ELBSecurityPolicy-FS-1-1-2019-08", fromTLS11, gcmSuites, ecdheSHA2Suites, ecdheSHASuites),
	policyOf("ELBSecurityPolicy-FS-1-2-2019-08", onlyTLS12, gcmSuites, ecdheSHA2Suites, ecdheSHASuites),
	policyOf("ELBSecurityPolicy-FS-1-2-Res-2019-08", onlyTLS12, gcmSuites, ecdheSHA2Suites),
	policyOf("ELBSecurityPolicy-FS-1-2-Res-2020-10", onlyTLS12, gcmSuites),
	policyOf("ELBSecurityPolicy-FS-2018-06", fromTLS10, gcmSuites, ecdheSHA2Suites, ecdheSHASuites),
	policyOf("ELBSecurityPolicy-TLS-1-1-2017-01", fromTLS11, gcmSuites, ecdheSHA2Suites, ecdheSHASuites, rsaSHA2Suites, rsaSHASuites),
	policyOf("ELBSecurityPolicy-TLS-1-2-2017-01", onlyTLS12, gcmSuites, ecdheSHA2Suites, rsaSHA2Suites),
	policyOf("ELBSecurityPolicy-TLS-1-2-Ext-2018-06", onlyTLS12, gcmSuites, ecdheSHA2Suites, ecdheSHASuites, rsaSHA2Suites, rsaSHASuites),
	policyOf("ELBSecurityPolicy-TLS13-1-0-2021-06", with13(fromTLS10), tls13Suites, gcmSuites, ecdheSHA2Suites, ecdheSHASuites, rsaSHA2Suites, rsaSHASuites),
	policyOf("ELBSecurityPolicy-TLS13-1-1-2021-06", with13(fromTLS11), tls13Suites, gcmSuites, ecdheSHA2Suites, ecdheSHASuites, rsaSHA2Suites, rsaSHASuites),
	policyOf("ELBSecurityPolicy-TLS13-1-2-2021-06", with13(onlyTLS12), tls13Suites, gcmSuites, ecdheSHA2Suites),
	policyOf("ELBSecurityPolicy-TLS13-1-2-Ext1-2021-06", with13(onlyTLS12), tls13Suites, gcmSuites, ecdheSHA2Suites, rsaSHA2Suites),
	policyOf("ELBSecurityPolicy-TLS13-1-2-Ext2-2021-06", with13(onlyTLS12), tls13Suites, gcmSuites, ecdheSHA2Suites, ecdheSHASuites, rsaSHA2Suites, rsaSHASuites),
	policyOf("ELBSecurityPolicy-TLS13-1-2-Res-2021-06", with13(onlyTLS12), tls13Suites, gcmSuites),
	policyOf("ELBSecurityPolicy-TLS13-1-3-2021-06", onlyTLS13, tls13Suites),
}
