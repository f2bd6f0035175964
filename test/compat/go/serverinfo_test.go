package compat

import (
	"regexp"
	"testing"

	"google.golang.org/protobuf/types/known/emptypb"

	api "flintlock.test/compat/gen/services/microvm/v1alpha1"
)

// The part of a version that battery compares, at least v0.15.2 of it.
var versionCore = regexp.MustCompile(`^v(0\.15\.([2-9]|\d{2,})|0\.(1[6-9]|[2-9]\d)\.\d+|[1-9]\d*\.\d+\.\d+)([-+]|$)`)

func TestServerInfo(t *testing.T) {
	info, err := api.NewMicroVMClient(connect(t)).ServerInfo(within(t), &emptypb.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	if version := info.GetVersion().GetVersion(); !versionCore.MatchString(version) {
		t.Errorf("battery refuses version %q", version)
	}
	if info.GetUptime().AsDuration() <= 0 || info.GetExec() == nil || info.GetSshProxy() == nil {
		t.Errorf("ServerInfo answered %v", info)
	}
}
