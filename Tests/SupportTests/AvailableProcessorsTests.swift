import Foundation
import Support
import TestSupport
import Testing

@Suite struct AvailableProcessorsTests {
  /// The files of a system, by path, and the quota that its process finds.
  private func quota(_ files: [String: String]) throws -> ProcessorQuota? {
    try withTemporaryDirectory { directory in
      for (path, text) in files {
        let file = directory.url.appending(path: path)
        try FileManager.default.createDirectory(
          at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: file)
      }
      return ControlGroups(root: directory.url.path).quota
    }
  }

  private static let unified = """
    24 1 0:22 / /proc rw,nosuid - proc proc rw
    30 24 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate

    """

  private static let separate = """
    30 24 0:26 / /sys/fs/cgroup ro shared:9 - tmpfs tmpfs ro,mode=755
    31 30 0:27 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset
    32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw shared:12 - cgroup cgroup rw,cpu,cpuacct

    """

  @Test func readsTheQuotaOfItsOwnGroup() throws {
    let found = try quota([
      "proc/self/cgroup": "0::/user.slice/job\n",
      "proc/self/mountinfo": Self.unified,
      "sys/fs/cgroup/user.slice/cpu.max": "max 100000\n",
      "sys/fs/cgroup/user.slice/job/cpu.max": "50000 100000\n",
      "sys/fs/cgroup/other/cpu.max": "1000 100000\n",
    ])
    #expect(
      found == ProcessorQuota(processors: 0.5, path: "/sys/fs/cgroup/user.slice/job/cpu.max"))
  }

  @Test func theLeastQuotaOfTheGroupsAboveCounts() throws {
    let files = [
      "proc/self/cgroup": "0::/a/b/c\n",
      "proc/self/mountinfo": Self.unified,
      "sys/fs/cgroup/a/cpu.max": "150000 100000\n",
      "sys/fs/cgroup/a/b/c/cpu.max": "400000 100000\n",
    ]
    #expect(try quota(files)?.processors == 1.5)
    #expect(try quota(files)?.path == "/sys/fs/cgroup/a/cpu.max")
  }

  @Test func readsBothFilesOfVersionOne() throws {
    let files = [
      "proc/self/cgroup": "9:cpuset:/x\n4:cpu,cpuacct:/docker/1f\n1:name=systemd:/docker/1f\n",
      "proc/self/mountinfo": Self.separate,
      "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
      "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
      "sys/fs/cgroup/cpu,cpuacct/docker/1f/cpu.cfs_quota_us": "25000\n",
      "sys/fs/cgroup/cpu,cpuacct/docker/1f/cpu.cfs_period_us": "10000\n",
    ]
    #expect(try quota(files)?.processors == 2.5)
  }

  @Test func aContainerSeesItsGroupAsTheMount() throws {
    // The process's group is named as the host names it, and only its part of the hierarchy is
    // mounted.
    let files = [
      "proc/self/cgroup": "4:cpu,cpuacct:/docker/1f/inner\n",
      "proc/self/mountinfo":
        "32 30 0:28 /docker/1f /sys/fs/cgroup/my\\040cpu ro - cgroup cgroup rw,cpu,cpuacct\n",
      "sys/fs/cgroup/my cpu/cpu.cfs_quota_us": "300000\n",
      "sys/fs/cgroup/my cpu/cpu.cfs_period_us": "100000\n",
      "sys/fs/cgroup/my cpu/inner/cpu.cfs_quota_us": "200000\n",
      "sys/fs/cgroup/my cpu/inner/cpu.cfs_period_us": "100000\n",
    ]
    #expect(try quota(files)?.processors == 2)
    var outside = files
    outside["proc/self/cgroup"] = "4:cpu,cpuacct:/../neighbour\n"
    #expect(try quota(outside)?.processors == 3)
    outside["proc/self/cgroup"] = "4:cpu,cpuacct:/docker/1fx/inner\n"
    #expect(try quota(outside)?.processors == 3)
  }

  @Test func bothVersionsCountWhereBothAreThere() throws {
    let files = [
      "proc/self/cgroup": "4:cpu,cpuacct:/job\n0::/job\n",
      "proc/self/mountinfo": Self.separate
        + "33 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
      "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "70000\n",
      "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
      "sys/fs/cgroup/unified/job/cpu.max": "60000 100000\n",
    ]
    #expect(try quota(files)?.processors == 0.6)
  }

  @Test(arguments: [
    "max 100000\n", "-1 100000\n", "0 100000\n", "50000 0\n", "50000\n", "", "a b\n", "1 2 3\n",
    "99999999999999999999 1\n",
  ])
  func whatIsNoQuotaLimitsNothing(text: String) throws {
    let found = try quota([
      "proc/self/cgroup": "0::/job\n", "proc/self/mountinfo": Self.unified,
      "sys/fs/cgroup/job/cpu.max": text,
    ])
    #expect(found == nil)
  }

  @Test(
    arguments: ["", "rubbish", "::\n", "0::/a", "::::::\n7:cpu\n"], ["", "- -\n", "1 2 3 - x\n"])
  func filesThatSayNothingLimitNothing(groups: String, mounts: String) throws {
    #expect(try quota(["proc/self/cgroup": groups, "proc/self/mountinfo": mounts]) == nil)
    #expect(try quota([:]) == nil)
  }

  @Test func aQuotaIsRoundedUpToThreads() {
    func count(_ quota: Double?, allowed: Int = 8) -> Int {
      AvailableProcessors(
        online: 16, allowed: allowed, quota: quota.map { ProcessorQuota(processors: $0, path: "") }
      ).count
    }
    #expect(count(nil) == 8)
    #expect(count(0.001) == 1)
    #expect(count(0.5) == 1)
    #expect(count(1) == 1)
    #expect(count(2.5) == 3)
    #expect(count(7.5) == 8)
    #expect(count(64) == 8)
    #expect(count(1e300) == 8)
    #expect(count(2.5, allowed: 2) == 2)
  }

  @Test func thisProcessMayUseAProcessor() {
    let processors = AvailableProcessors.current
    #expect(1...processors.online ~= processors.allowed)
    #expect(1...processors.allowed ~= processors.count)
  }
}
