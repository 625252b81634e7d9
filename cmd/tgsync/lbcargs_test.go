package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSplitWords(t *testing.T) {
	tests := map[string]struct {
		line string
		want []string
		err  bool
	}{
		"nothing":          {line: "  "},
		"words":            {line: " --a=b\t--c\nd ", want: []string{"--a=b", "--c", "d"}},
		"single quotes":    {line: `--a='b "c" \d'`, want: []string{`--a=b "c" \d`}},
		"double quotes":    {line: `"--a=b 'c'" x`, want: []string{"--a=b 'c'", "x"}},
		"backslashes":      {line: `a\ b "c\"d"`, want: []string{"a b", `c"d`}},
		"an empty word":    {line: `--a ''`, want: []string{"--a", ""}},
		"an open quote":    {line: `--a="b`, err: true},
		"a last backslash": {line: `a\`, err: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := splitWords(tt.line)
			require.Equal(t, tt.err, err != nil)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestTranslateArgs(t *testing.T) {
	tests := map[string]struct{ args, want, err string }{
		"as Helm writes it": {
			args: "--cluster-name=demo --ingress-class=alb --aws-region=us-east-1 --aws-vpc-id=vpc-1",
			want: "TGSYNC_CLUSTER_NAME=demo\nTGSYNC_INGRESS_CLASS=alb\nAWS_REGION=us-east-1\nTGSYNC_VPC_ID=vpc-1\n",
		},
		"the other forms": {
			args: `--cluster-name demo --disable-restricted-sg-rules --enable-backend-security-group=false --ingress-class=`,
			want: "TGSYNC_CLUSTER_NAME=demo\nTGSYNC_DISABLE_RESTRICTED_SG_RULES=true\nTGSYNC_ENABLE_BACKEND_SECURITY_GROUP=false\nTGSYNC_INGRESS_CLASS=\n",
		},
		"said twice": {
			args: `--cluster-name=a --default-tags=a=b --cluster-name=b --default-tags='c=d e'`,
			want: "TGSYNC_CLUSTER_NAME=b\nTGSYNC_DEFAULT_TAGS='a=b,c=d e'\n",
		},
		"endpoints": {
			args: `--cluster-name=a --aws-api-endpoints="EC2=https://ec2,Elastic Load Balancing v2=https://elb"`,
			want: "TGSYNC_CLUSTER_NAME=a\nAWS_ENDPOINT_URL_EC2=https://ec2\nAWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2=https://elb\n",
		},
		"gates": {
			args: `--cluster-name=a --feature-gates=ListenerRulesTagging=false,NLBGatewayAPI=true`,
			want: "TGSYNC_CLUSTER_NAME=a\nTGSYNC_FEATURE_GATES=ListenerRulesTagging=false\n\n# Without a setting:\n" +
				"#   --feature-gates=ListenerRulesTagging=false,NLBGatewayAPI=true: gates without meaning here: NLBGatewayAPI=true\n",
		},
		"no election": {
			args: `--cluster-name=a --enable-leader-election=false`,
			want: "TGSYNC_CLUSTER_NAME=a\nTGSYNC_LBC_LEASE_NAME=\n\n# Without a setting:\n#   --enable-leader-election=false: without a Lease it cannot be seen " +
				"whether the AWS Load Balancer Controller still writes: scale it to 0 first\n",
		},
		"what there is no setting for": {
			args: `--cluster-name=a --webhook-bind-port=9443 --default-pca-arn=arn`,
			want: "TGSYNC_CLUSTER_NAME=a\n\n# Not supported:\n#   --default-pca-arn=arn: certificates are not created\n\n" +
				"# Without a setting:\n#   --webhook-bind-port=9443: there are no webhooks\n",
		},
		"an unknown flag":     {args: "--cluster-name=a --clusters=b -v", err: "--clusters=b is no flag of the AWS Load Balancer Controller\n-v is no flag"},
		"a missing value":     {args: "--cluster-name", err: "--cluster-name has no value"},
		"no cluster":          {args: "--ingress-class=alb", err: `"TGSYNC_CLUSTER_NAME" is not set`},
		"a value that is bad": {args: "--cluster-name=a --default-target-type=x", err: "TGSYNC_DEFAULT_TARGET_TYPE: x is not instance or ip"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			words, err := splitWords(tt.args)
			require.NoError(t, err)
			var b strings.Builder
			err = translateArgs(&b, words)
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, b.String())
		})
	}
}

// TestEveryFlagHasAMeaning: each is a setting that there is, or says why there is none.
func TestEveryFlagHasAMeaning(t *testing.T) {
	require.Len(t, lbcFlags, 60)
	var source strings.Builder
	for _, file := range []string{"config.go", "config_ingress.go"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		source.Write(text)
	}
	for name, flag := range lbcFlags {
		ways := 0
		for _, way := range []bool{flag.setting != "", flag.convert != nil, flag.why != ""} {
			if way {
				ways++
			}
		}
		require.Equal(t, 1, ways, name)
		if strings.HasPrefix(flag.setting, "TGSYNC_") {
			require.Regexp(t, `env:"`+regexp.QuoteMeta(flag.setting)+`[",]`, source.String(), name)
		}
	}
}

func TestLBCArgs(t *testing.T) {
	tests := map[string]struct {
		args []string
		want []string
		err  bool
	}{
		"one string":     {args: []string{"--lbc-args", "--a --b"}, want: []string{"--a", "--b"}},
		"joined":         {args: []string{"--lbc-args=--a --b"}, want: []string{"--a", "--b"}},
		"after --":       {args: []string{"--lbc-args", "--", "--a", "b c"}, want: []string{"--a", "b c"}},
		"nothing":        {err: true},
		"no value":       {args: []string{"--lbc-args"}, err: true},
		"something else": {args: []string{"--what"}, err: true},
		"not quoted":     {args: []string{"--lbc-args", "--a", "--b"}, err: true},
		"more":           {args: []string{"--lbc-args=--a", "--b"}, err: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := lbcArgs(tt.args)
			require.Equal(t, tt.err, err != nil)
			require.Equal(t, tt.want, got)
		})
	}
}
